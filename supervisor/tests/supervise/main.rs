//! The supervisor, through its doors: its command line, its sockets, its signals, and a broker that
//! orders what a test says. Broker and cages are doubles; their cages are real.

mod helpers;
mod life;
mod start;
mod world;
