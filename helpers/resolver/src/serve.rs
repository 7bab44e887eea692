//! The channel: questions in, answers out, a bounded number at a time.

use crate::lookup::Resolver;
use carapace_ipc_proto::resolve::{Answer, IN_FLIGHT, QUESTION, Question, Status};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Semaphore, mpsc};

/// Serves until the broker closes the channel.
///
/// # Errors
/// The channel's.
pub(crate) async fn serve(channel: OwnedFd, resolver: Resolver) -> io::Result<()> {
    let stream = std::os::unix::net::UnixStream::from(channel);
    stream.set_nonblocking(true)?;
    let (mut questions, write) = UnixStream::from_std(stream)?.into_split();
    let (tell, answers) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(write_answers(write, answers));
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut frame = [0; QUESTION];
    loop {
        match questions.read_exact(&mut frame).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let Question { id, name } = Question::decode(&frame);
        let at_once = match (name, Arc::clone(&places).try_acquire_owned()) {
            (None, _) => Status::NoName,
            (Some(_), Err(_)) => Status::Busy,
            (Some(name), Ok(place)) => {
                let (tell, resolver) = (tell.clone(), resolver.clone());
                tokio::spawn(async move {
                    let answer = resolver.answer(id, &name).await;
                    // NOTE(send): without a writer the broker has gone, and this process ends.
                    let _ = tell.send(answer).await;
                    drop(place);
                });
                continue;
            }
        };
        // Waits for room: a broker that does not read is not read from.
        if tell.send(Answer::none(id, at_once)).await.is_err() {
            return Ok(());
        }
    }
}

async fn write_answers(mut to: OwnedWriteHalf, mut answers: mpsc::Receiver<Answer>) {
    while let Some(answer) = answers.recv().await {
        if to.write_all(&answer.encode()).await.is_err() {
            return;
        }
    }
}
