use super::*;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};

/// A run directory of this test's own, removed at its end.
struct Run(String);

impl Run {
    fn new(test: &str) -> Run {
        let dir = std::env::temp_dir().join(format!("boardbox-client-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Run(dir.into_os_string().into_string().unwrap())
    }

    fn listen(&self, name: &str) -> OwnedFd {
        let dir = format!("{}/{name}", self.0);
        std::fs::create_dir_all(&dir).unwrap();
        socket::listen(&format!("{dir}/control"), 0o600).unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn name(text: &str) -> ContainerName {
    text.parse().unwrap()
}

/// A monitor that answers one request each by `answers`, `None` by hanging up; checks that it was asked `asked`.
fn monitor(
    listener: OwnedFd,
    asked: Request<'static>,
    answers: Vec<Option<Reply<'static>>>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for answer in answers {
            assert!(poll::readable(listener.as_fd(), Some(Duration::from_secs(10))).unwrap());
            let client = socket::accept(listener.as_fd()).unwrap().unwrap();
            assert!(poll::readable(client.as_fd(), Some(Duration::from_secs(10))).unwrap());
            let mut buffer = [0; MAX_MESSAGE];
            let length = socket::recv(client.as_fd(), &mut buffer).unwrap();
            assert_eq!(Request::decode(&buffer[..length]), Some(asked));
            if let Some(answer) = answer {
                socket::send(client.as_fd(), &answer.encode()).unwrap();
            }
        }
    })
}

#[test]
fn a_request_is_answered_or_its_failure_told() {
    let run = Run::new("answered");
    let value = Reply::Value { text: "0-1\n" };
    let failed = Reply::Failed { errno: libc::EINVAL, text: "write \"9\" to cpuset.cpus: Invalid argument" };
    let asked = Request::CgroupGet { file: "cpuset.cpus" };
    let thread = monitor(run.listen("foo"), asked, vec![Some(value), Some(failed)]);
    let answer = request_in(&run.0, &name("foo"), &asked, Some(PROMPT)).unwrap();
    assert_eq!(answer.reply(), value);
    let error = request_in(&run.0, &name("foo"), &asked, Some(PROMPT)).err().unwrap();
    assert_eq!(error.to_string(), "write \"9\" to cpuset.cpus: Invalid argument");
    assert!(error.is(Errno::EINVAL) && error.kind == Kind::Host);
    thread.join().unwrap();
}

#[test]
fn nobody_there_a_stale_socket_and_an_end_without_answer_are_not_running() {
    let run = Run::new("nobody");
    let ask = |who: &str| request_in(&run.0, &name(who), &Request::Info, Some(PROMPT)).err().unwrap();
    let error = ask("foo");
    assert_eq!(error.to_string(), "container \"foo\" is not running");
    assert_eq!(error.kind, Kind::NotRunning);
    drop(run.listen("stale"));
    assert_eq!(ask("stale").kind, Kind::NotRunning);
    let thread = monitor(run.listen("ending"), Request::Info, vec![None]);
    assert_eq!(ask("ending").kind, Kind::NotRunning);
    thread.join().unwrap();
}

#[test]
fn a_monitor_that_hangs_ends_in_a_timeout() {
    let run = Run::new("hangs");
    let _listener = run.listen("foo");
    let timeout = Some(Duration::from_millis(50));
    let error = request_in(&run.0, &name("foo"), &Request::Info, timeout).err().unwrap();
    assert_eq!(error.to_string(), "container \"foo\": no answer within 50 ms");
    assert_eq!(error.kind, Kind::Timeout);
    // Also when its queue is full.
    let mut waiting = Vec::new();
    while let Ok(client) = socket::connect(&format!("{}/foo/control", run.0)) {
        waiting.push(client);
    }
    assert_eq!(request_in(&run.0, &name("foo"), &Request::Info, timeout).err().unwrap().kind, Kind::Timeout);
}

#[test]
fn nonsense_is_said_to_be_nonsense() {
    let run = Run::new("nonsense");
    let listener = run.listen("foo");
    let thread = thread::spawn(move || {
        assert!(poll::readable(listener.as_fd(), Some(PROMPT)).unwrap());
        let client = socket::accept(listener.as_fd()).unwrap().unwrap();
        assert!(poll::readable(client.as_fd(), Some(PROMPT)).unwrap());
        socket::recv(client.as_fd(), &mut [0; MAX_MESSAGE]).unwrap();
        socket::send(client.as_fd(), b"?").unwrap();
    });
    let error = request_in(&run.0, &name("foo"), &Request::Info, Some(PROMPT)).err().unwrap();
    assert!(error.to_string().contains("makes no sense"), "{error}");
    thread.join().unwrap();
}

#[test]
fn only_live_containers_have_names_and_they_are_sorted() {
    let run = Run::new("names");
    assert_eq!(names_in("/nonexistent/boardbox").unwrap(), []);
    let _b = run.listen("b");
    let _a = run.listen("a");
    drop(run.listen("stale"));
    std::fs::write(format!("{}/up", run.0), "").unwrap();
    std::fs::create_dir(format!("{}/.hidden", run.0)).unwrap();
    assert_eq!(names_in(&run.0).unwrap(), [name("a"), name("b")]);
}

const RUNNING: u32 = State::Running as u32;

#[test]
fn what_does_not_run_is_stopped_already() {
    let run = Run::new("stopped");
    let states = State::Stopped.bit() | 1 << RUNNING;
    let reached = wait_in(&run.0, &name("foo"), states, None).unwrap();
    assert_eq!(reached, Reached { state: State::Stopped, status: None });
}

#[test]
fn a_container_that_does_not_exist_yet_is_waited_for() {
    let run = Run::new("yet");
    let run_dir = format!("{}/deeper", run.0);
    let asked = Request::Wait { states: 1 << RUNNING };
    let info = |state| Some(Reply::Info { state, init: 1, user: 1, monitor: 1, restarts: 0, last: None });
    let later = Run(run_dir.clone());
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        std::fs::create_dir(&later.0).unwrap();
        thread::sleep(Duration::from_millis(30));
        // Its first life ends before it runs, the second hangs up, the third gets there.
        let answers = vec![Some(Reply::Ended { status: 256, note: "" }), None, info(State::Running)];
        monitor(later.listen("foo"), asked, answers).join().unwrap();
    });
    let reached = wait_in(&run_dir, &name("foo"), State::Running.bit(), Some(PROMPT)).unwrap();
    assert_eq!(reached.state, State::Running);
    thread.join().unwrap();
}

#[test]
fn an_end_brings_its_status_and_the_time_limit_holds() {
    let run = Run::new("end");
    let asked = Request::Wait { states: State::Stopped.bit() };
    let answers = vec![Some(Reply::Ended { status: 9, note: "" })];
    let thread = monitor(run.listen("foo"), asked, answers);
    let reached = wait_in(&run.0, &name("foo"), State::Stopped.bit(), None).unwrap();
    assert_eq!(reached, Reached { state: State::Stopped, status: Some(9) });
    thread.join().unwrap();
    let start = Instant::now();
    let timeout = Some(Duration::from_millis(60));
    let error = wait_in(&run.0, &name("bar"), State::Running.bit(), timeout).unwrap_err();
    assert_eq!(error.kind, Kind::Timeout);
    assert!((60..5000).contains(&start.elapsed().as_millis()));
    // One that is there and does not get there.
    let _listener = run.listen("bar");
    let error = wait_in(&run.0, &name("bar"), State::Running.bit(), timeout).unwrap_err();
    assert_eq!(error.kind, Kind::Timeout);
}

#[test]
fn who_is_refused_before_being_heard_is_told_why() {
    let run = Run::new("refused");
    let listener = run.listen("foo");
    let thread = thread::spawn(move || {
        assert!(poll::readable(listener.as_fd(), Some(PROMPT)).unwrap());
        let client = socket::accept(listener.as_fd()).unwrap().unwrap();
        // Its request is there, and is not read.
        assert!(poll::readable(client.as_fd(), Some(PROMPT)).unwrap());
        let refusal = Reply::Failed { errno: libc::EAGAIN, text: "too many" };
        socket::send(client.as_fd(), &refusal.encode()).unwrap();
    });
    let monitor = say_in(&run.0, &name("foo"), &Request::Info, Some(PROMPT)).unwrap();
    thread.join().unwrap();
    let error = hear(&name("foo"), &monitor).err().unwrap();
    assert!(
        error.to_string() == "too many" && error.is(Errno::EAGAIN) && error.kind == Kind::Host,
        "{error}"
    );
    // The end is after it.
    assert_eq!(hear(&name("foo"), &monitor).err().unwrap().kind, Kind::NotRunning);
}
