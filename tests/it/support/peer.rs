//! A bare ZeroMQ socket with deadlines: frames out, frames in.

use std::sync::LazyLock;

use super::{DEADLINE, Transcript};

/// One context for all sockets of the tests, so that hundreds of them share one thread.
static CONTEXT: LazyLock<zmq::Context> = LazyLock::new(zmq::Context::new);

/// One socket, connected to one endpoint.
pub(crate) struct Peer {
    socket: zmq::Socket,
    name: &'static str,
    transcript: Transcript,
}

impl Peer {
    #[track_caller]
    pub(crate) fn connect(
        name: &'static str,
        kind: zmq::SocketType,
        endpoint: &str,
        transcript: &Transcript,
    ) -> Self {
        Self::connect_prepared(name, kind, endpoint, transcript, |_| Ok(()))
    }

    /// `prepare` sets what must be set before connecting.
    #[track_caller]
    pub(crate) fn connect_prepared(
        name: &'static str,
        kind: zmq::SocketType,
        endpoint: &str,
        transcript: &Transcript,
        prepare: impl FnOnce(&zmq::Socket) -> zmq::Result<()>,
    ) -> Self {
        let deadline = i32::try_from(DEADLINE.as_millis()).unwrap();
        let socket = CONTEXT.socket(kind).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_rcvtimeo(deadline).unwrap();
        socket.set_sndtimeo(deadline).unwrap();
        prepare(&socket).unwrap();
        socket.connect(endpoint).unwrap();
        Self { socket, name, transcript: transcript.clone() }
    }

    #[track_caller]
    pub(crate) fn send<F: AsRef<[u8]>>(&self, frames: &[F]) {
        self.transcript.note(&format!("{} >", self.name), frames);
        let frames = frames.iter().map(AsRef::as_ref);
        self.socket.send_multipart(frames, 0).expect("the message leaves within the deadline");
    }

    /// As [`Self::send`], to somebody who may have refused the connection: then nothing is sent.
    pub(crate) fn offer<F: AsRef<[u8]>>(&self, frames: &[F]) {
        self.transcript.note(&format!("{} ?", self.name), frames);
        let frames = frames.iter().map(AsRef::as_ref);
        match self.socket.send_multipart(frames, zmq::DONTWAIT) {
            Ok(()) | Err(zmq::Error::EAGAIN) => {}
            Err(error) => panic!("{} cannot send: {error}", self.name),
        }
    }

    /// The next message; a test that waits in vain fails.
    #[track_caller]
    pub(crate) fn receive(&self) -> Vec<Vec<u8>> {
        match self.socket.recv_multipart(0) {
            Ok(frames) => self.noted(frames),
            Err(error) => panic!("{} got no message within {DEADLINE:?}: {error}", self.name),
        }
    }

    /// The next message, if one comes within `milliseconds`; zero looks at what is there.
    #[track_caller]
    pub(crate) fn receive_within(&self, milliseconds: i64) -> Option<Vec<Vec<u8>>> {
        let ready = self.socket.poll(zmq::POLLIN, milliseconds).unwrap();
        (ready > 0).then(|| self.receive())
    }

    fn noted(&self, frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        self.transcript.note(&format!("{} <", self.name), &frames);
        frames
    }
}
