//! `carapace-secret-helper FROM ITEM` reads one secret from where its owner keeps it and writes the
//! bytes to standard output, nothing else and nothing more. It is one-shot: the supervisor starts it
//! in a cage of its own for each reading, with `FROM` and `ITEM` from the owner's file; its standard
//! output is the broker's alone.
//!
//! Standard output stays empty unless the whole secret was read and fits; the exit status says
//! why it did not ([`failure::Exit`]), standard error says it in words that hold no secret.
//!
//! The owner's cli runs the same program for `keyring-set`, `keyring-delete` and `keyring-probe`,
//! because the connection to a keyring can start programs and so belongs into no process that stays.
//!
//! It keeps nothing, tries nothing twice, asks nobody, and does not decide who may have the secret.

mod backend;
mod child;
mod failure;
mod limit;
mod memory;
mod request;
mod value;

use failure::Failure;
use request::{Request, Source};
use std::io::Write;
use std::process::ExitCode;
use value::Value;

fn main() -> ExitCode {
    memory::leave_no_copies();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit().into()
        }
    }
}

fn serve() -> Result<(), Failure> {
    match Request::parse(std::env::args_os().skip(1))? {
        Request::Read(source) => write_out(read(source)?.bytes()),
        Request::KeyringSet(account) => {
            let value = Value::whole(value::from_reader(std::io::stdin().lock())?)?;
            Ok(backend::keyring::set(account, value)?)
        }
        Request::KeyringDelete(account) => Ok(backend::keyring::delete(account)?),
        Request::KeyringProbe => {
            let state = backend::keyring::probe()?;
            write_out(format!("{state}\n").as_bytes())
        }
    }
}

fn read(source: Source) -> Result<Value, Failure> {
    Ok(match source {
        Source::Pass(name) => Value::first_line(backend::pass::read(&name)?)?,
        Source::Op(reference) => Value::whole(backend::op::read(&reference)?)?,
        Source::Bw(item) => Value::whole(backend::bw::read(&item)?)?,
        Source::Keyring(account) => Value::whole(backend::keyring::read(account)?)?,
        Source::Env(variable) => Value::whole(backend::env::read(&variable)?)?,
        Source::File(path) => Value::whole(backend::file::read(path)?)?,
    })
}

fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Failure::Write)
}
