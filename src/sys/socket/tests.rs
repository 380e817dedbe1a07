use super::*;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

fn cloexec(fd: &OwnedFd) -> bool {
    let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    flags & libc::FD_CLOEXEC != 0
}

/// A directory that is one test's alone, gone with it.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("boardbox-socket-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn path(&self) -> String {
        self.0.join("socket").into_os_string().into_string().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn messages_keep_their_bounds_and_an_end_is_zero() {
    let (a, b) = pair().unwrap();
    assert!(cloexec(&a) && cloexec(&b));
    send(a.as_fd(), b"one").unwrap();
    send(a.as_fd(), b"three").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 3);
    assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 5);
    assert_eq!(&buffer[..5], b"three");
    drop(a);
    assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 0);
    assert!(send(b.as_fd(), b"x").unwrap_err().is(Errno::EPIPE));
}

#[test]
fn a_message_that_does_not_fit_is_an_error() {
    let (a, b) = pair().unwrap();
    for _ in 0..2 {
        send(a.as_fd(), b"longer").unwrap();
    }
    let mut buffer = [0; 5];
    assert!(recv(b.as_fd(), &mut buffer).unwrap_err().to_string().contains("longer than its buffer"));
    assert!(recv_fds(b.as_fd(), &mut buffer).is_err());
    send(a.as_fd(), b"fits.").unwrap();
    assert_eq!(recv(b.as_fd(), &mut buffer).unwrap(), 5);
}

#[test]
fn descriptors_arrive_in_order_and_close_on_exec() {
    let (a, b) = pair().unwrap();
    for count in [1, 2, 3, MAX_FDS] {
        let pipes: Vec<_> = (0..count).map(|_| std::io::pipe().unwrap()).collect();
        let ends: Vec<_> = pipes.iter().map(|pipe| pipe.1.as_fd()).collect();
        send_fds(a.as_fd(), b"p", &ends).unwrap();
        let mut buffer = [0; 8];
        let (length, fds) = recv_fds(b.as_fd(), &mut buffer).unwrap();
        assert_eq!((length, fds.len()), (1, count));
        for (at, fd) in fds.into_iter().enumerate() {
            assert!(cloexec(&fd));
            std::fs::File::from(fd).write_all(&[at as u8]).unwrap();
        }
        for (at, pipe) in pipes.into_iter().enumerate() {
            let mut byte = [0];
            (&pipe.0).read_exact(&mut byte).unwrap();
            assert_eq!(byte, [at as u8]);
        }
    }
    let pipe = std::io::pipe().unwrap();
    let many = [pipe.0.as_fd(); MAX_FDS + 1];
    assert!(send_fds(a.as_fd(), b"p", &many).unwrap_err().is(Errno::EINVAL));
}

#[test]
fn one_descriptor_or_none() {
    let (a, b) = pair().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    send_fd(a.as_fd(), b"w", writer.as_fd()).unwrap();
    drop(writer);
    send(a.as_fd(), b"bare").unwrap();
    let mut buffer = [0; 8];
    let (length, fd) = recv_fd(b.as_fd(), &mut buffer).unwrap();
    assert_eq!(length, 1);
    // No copy stays behind: once the received one is closed, the pipe has ended.
    drop(fd.unwrap());
    assert_eq!(reader.read(&mut buffer).unwrap(), 0);
    let (length, fd) = recv_fd(b.as_fd(), &mut buffer).unwrap();
    assert!(length == 4 && fd.is_none());
    drop(a);
    assert_eq!(recv_fd(b.as_fd(), &mut buffer).unwrap().0, 0);
}

#[test]
fn clients_connect_and_are_known_and_a_dead_listener_is_replaced() {
    let scratch = Scratch::new("control");
    let path = scratch.path();
    let listener = listen(&path, 0o600).unwrap();
    assert!(cloexec(&listener));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(accept(listener.as_fd()).unwrap().is_none());
    let client = connect(&path).unwrap();
    let server = accept(listener.as_fd()).unwrap().unwrap();
    assert!(cloexec(&client) && cloexec(&server));
    let peer = peer_credentials(server.as_fd()).unwrap();
    assert_eq!(peer.pid, std::process::id() as i32);
    assert_eq!(peer.uid, nix::unistd::geteuid().as_raw());
    let mut buffer = [0; 8];
    // Both ends are non-blocking.
    assert!(recv(server.as_fd(), &mut buffer).unwrap_err().is(Errno::EAGAIN));
    assert!(recv(client.as_fd(), &mut buffer).unwrap_err().is(Errno::EAGAIN));
    send(client.as_fd(), b"hello").unwrap();
    assert_eq!(recv(server.as_fd(), &mut buffer).unwrap(), 5);
    drop(listener);
    assert!(connect(&path).unwrap_err().is(Errno::ECONNREFUSED));
    let listener = listen(&path, 0o600).unwrap();
    connect(&path).unwrap();
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    assert!(connect(&path).unwrap_err().is(Errno::ENOENT));
    let error = connect(&"x".repeat(200)).unwrap_err();
    assert!(error.is(Errno::ENAMETOOLONG) && error.tried.starts_with("connect to xxx"), "{error}");
}

#[test]
fn a_full_queue_refuses_instead_of_hanging() {
    let scratch = Scratch::new("full");
    let path = scratch.path();
    let _listener = listen(&path, 0o600).unwrap();
    let mut clients = Vec::new();
    let error = loop {
        match connect(&path) {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
        assert!(clients.len() < 1000);
    };
    assert!(error.is(Errno::EAGAIN));
}

#[test]
fn receiving_ends_after_the_timeout() {
    let (_a, b) = pair().unwrap();
    set_receive_timeout(b.as_fd(), Duration::from_millis(20)).unwrap();
    let start = std::time::Instant::now();
    assert!(recv(b.as_fd(), &mut [0; 8]).unwrap_err().is(Errno::EAGAIN));
    // Jiffies: a tick less is possible, a minute is not.
    assert!((10..5000).contains(&start.elapsed().as_millis()));
}
