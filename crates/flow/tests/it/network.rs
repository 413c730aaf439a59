use sysflow_flow::{
    Op,
    op::{Addr, Tuple},
};

use crate::scene::{SHELL, Scene, endpoint, inet, socket};

fn udp(fd: i64) -> Op<'static> {
    Op::Socket { ret: fd, domain: 2, kind: 2, proto: 0 }
}

#[test]
fn flows_go_from_client_to_server_on_both_sides() {
    let mut s = Scene::new();
    s.connect(SHELL, 3).write(SHELL, 3, 10).close(SHELL, 3);
    s.op(SHELL, Op::Accept { ret: 4, tuple: Some(inet("10.0.0.9:5555", "10.0.0.1:22")), cloexec: false });
    s.read(SHELL, 4, 10).op(SHELL, Op::Shutdown { ret: 0, fd: 4 }).close(SHELL, 4);
    assert_eq!(
        s.events(),
        [
            "NF 2ms-4ms 100/100 CONNECT|WRITE|CLOSE fd=3 10.0.0.1:4000>10.0.0.2:80 proto=6 received=0/0 sent=1/10",
            "NF 5ms-8ms 100/100 ACCEPT|READ|SHUTDOWN|CLOSE fd=4 10.0.0.9:5555>10.0.0.1:22 proto=6 received=1/10 sent=0/0",
        ]
    );
}

#[test]
fn a_refused_connect_says_where_it_went() {
    let mut s = Scene::new();
    s.op(SHELL, socket(3));
    s.op(
        SHELL,
        Op::Connect { ret: -111, fd: 3, tuple: None, addr: Some(Addr::Inet(endpoint("10.0.0.3:21"))) },
    );
    s.close(SHELL, 3);
    assert_eq!(
        s.events(),
        ["NF 2ms-3ms 100/100 CONNECT|CLOSE fd=3 0.0.0.0:0>10.0.0.3:21 proto=6 received=0/0 sent=0/0"]
    );
    // The collector forgets it.
    let mut s = Scene::tests();
    s.op(SHELL, socket(3));
    s.op(SHELL, Op::Connect { ret: -111, fd: 3, tuple: Some(inet("10.0.0.1:4", "10.0.0.3:21")), addr: None });
    s.close(SHELL, 3);
    assert_eq!(
        s.events(),
        ["NF 2ms-3ms 100/100 CONNECT|CLOSE fd=3 0.0.0.0:0>0.0.0.0:0 proto=6 received=0/0 sent=0/0"]
    );
}

#[test]
fn datagrams_have_a_flow_for_each_peer() {
    let mut s = Scene::new();
    s.op(SHELL, udp(3));
    let send = |to: &str| Op::Write { ret: 30, fd: 3, tuple: Some(inet("10.0.0.1:999", to)) };
    let receive = |from: &str| Op::Read { ret: 70, fd: 3, tuple: Some(inet(from, "10.0.0.1:999")) };
    s.op(SHELL, send("10.0.0.53:53")).op(SHELL, receive("10.0.0.53:53")).op(SHELL, send("10.0.0.54:53"));
    s.close(SHELL, 3);
    assert_eq!(
        s.events(),
        [
            "NF 4ms-5ms 100/100 WRITE|CLOSE fd=3 10.0.0.1:999>10.0.0.54:53 proto=17 received=0/0 sent=1/30",
            "NF 2ms-5ms 100/100 READ|WRITE|TRUNCATE fd=3 10.0.0.1:999>10.0.0.53:53 proto=17 received=1/70 sent=1/30",
        ]
    );
}

#[test]
fn a_server_with_many_peers_keeps_them_apart() {
    let mut s = Scene::new();
    s.op(SHELL, udp(3));
    let peer = |i: u32| format!("10.1.{}.{}:53", i / 200, i % 200);
    for round in 1..=3 {
        for i in 0..1_000 {
            let to = peer(i);
            s.op(SHELL, Op::Write { ret: round, fd: 3, tuple: Some(inet("10.0.0.1:999", &to)) });
        }
    }
    s.finish();
    // 3 s, so each flow is told after a second and at the end; together each peer got its three datagrams.
    let mut bytes = std::collections::HashMap::new();
    for record in &s.records {
        if let sysflow::Record::NetworkFlow(flow) = record {
            let entry: &mut (i64, i64) = bytes.entry(flow.dip).or_default();
            *entry = (entry.0 + flow.num_wsend_ops, entry.1 + flow.num_wsend_bytes);
        }
    }
    assert_eq!(bytes.len(), 1_000);
    assert!(bytes.values().all(|sent| *sent == (3, 6)), "{bytes:?}");
    assert_eq!(s.recorder.flow_count(), 0);
}

#[test]
fn a_bound_datagram_socket_is_the_server() {
    let mut s = Scene::new();
    s.op(SHELL, udp(3));
    s.op(SHELL, Op::Bind { ret: 0, fd: 3, addr: Some(Addr::Inet(endpoint("10.0.0.1:53"))) });
    s.op(SHELL, Op::Read { ret: 30, fd: 3, tuple: Some(inet("10.0.0.7:1234", "10.0.0.1:53")) });
    s.op(SHELL, Op::Write { ret: 90, fd: 3, tuple: Some(inet("10.0.0.1:53", "10.0.0.7:1234")) });
    s.finish();
    assert_eq!(
        s.events(),
        [
            "NF 2ms-2ms 100/100 BIND fd=3 0.0.0.0:0>10.0.0.1:53 proto=17 received=0/0 sent=0/0",
            "NF 3ms-4ms 100/100 READ|WRITE|TRUNCATE fd=3 10.0.0.7:1234>10.0.0.1:53 proto=17 received=1/30 sent=1/90",
        ]
    );
}

#[test]
fn bind_and_listen_are_told_by_default_only() {
    let listen = |s: &mut Scene| {
        s.op(SHELL, socket(3));
        s.op(SHELL, Op::Bind { ret: 0, fd: 3, addr: Some(Addr::Inet(endpoint("0.0.0.0:8080"))) });
        s.op(SHELL, Op::Listen { ret: 0, fd: 3 }).close(SHELL, 3);
        s.events()
    };
    assert_eq!(
        listen(&mut Scene::new()),
        [
            "NF 2ms-2ms 100/100 BIND fd=3 0.0.0.0:0>0.0.0.0:8080 proto=6 received=0/0 sent=0/0",
            "NF 3ms-3ms 100/100 LISTEN fd=3 0.0.0.0:0>0.0.0.0:8080 proto=6 received=0/0 sent=0/0",
        ]
    );
    assert!(listen(&mut Scene::tests()).is_empty());
}

#[test]
fn ipv6_is_told_where_there_are_fields_for_it() {
    let talk = |s: &mut Scene| {
        s.op(SHELL, Op::Socket { ret: 3, domain: 10, kind: 1, proto: 0 });
        s.op(
            SHELL,
            Op::Connect { ret: 0, fd: 3, tuple: Some(inet("[fd00::1]:4000", "[fd00::2]:80")), addr: None },
        );
        s.write(SHELL, 3, 10).close(SHELL, 3);
        s.events()
    };
    assert_eq!(
        talk(&mut Scene::new()),
        [
            "NF 2ms-4ms 100/100 CONNECT|WRITE|CLOSE fd=3 [fd00::1]:4000>[fd00::2]:80 proto=6 received=0/0 sent=1/10"
        ]
    );
    assert!(talk(&mut Scene::tests()).is_empty());
    // Through an IPv6 socket, but IPv4.
    let mut s = Scene::tests();
    let mapped = inet("[::ffff:10.0.0.9]:5555", "[::ffff:10.0.0.1]:80");
    s.op(SHELL, Op::Accept { ret: 3, tuple: Some(mapped), cloexec: false }).close(SHELL, 3);
    assert_eq!(
        s.events(),
        ["NF 1ms-2ms 100/100 ACCEPT|CLOSE fd=3 10.0.0.9:5555>10.0.0.1:80 proto=6 received=0/0 sent=0/0"]
    );
}

#[test]
fn unix_sockets_are_files() {
    let mut s = Scene::new();
    s.op(SHELL, Op::Socket { ret: 3, domain: 1, kind: 1, proto: 0 });
    let tuple = Tuple::Unix { source: 0xabc, dest: 0xdef, path: b"/run/x.sock" };
    s.op(SHELL, Op::Connect { ret: 0, fd: 3, tuple: Some(tuple), addr: None })
        .write(SHELL, 3, 4)
        .close(SHELL, 3);
    let lines = s.lines();
    assert_eq!(
        lines[lines.len() - 2..],
        [
            "F reup u abc->def /run/x.sock",
            "FF 2ms-4ms 100/100 CONNECT|WRITE|CLOSE fd=3 abc->def /run/x.sock read=0/0 written=1/4",
        ]
    );
}

#[test]
fn a_socket_that_never_had_a_peer_says_nothing() {
    let mut s = Scene::new();
    s.op(SHELL, socket(3)).close(SHELL, 3);
    assert!(s.events().is_empty());
}

#[test]
fn raw_sockets_have_their_number_made_or_found() {
    let mut s = Scene::new();
    s.op(SHELL, Op::Socket { ret: 3, domain: 2, kind: 3, proto: 1 });
    let ping = Some(inet("10.0.0.1:0", "10.0.0.2:0"));
    s.op(SHELL, Op::Write { ret: 64, fd: 3, tuple: ping }).close(SHELL, 3);
    assert_eq!(
        s.events(),
        ["NF 2ms-3ms 100/100 WRITE|CLOSE fd=3 10.0.0.1:0>10.0.0.2:0 proto=254 received=0/0 sent=1/64"]
    );
    let ends = || (std::net::IpAddr::from([10, 0, 0, 9]), 0);
    let kind = |proto| sysflow_flow::InitialFdKind::Inet { source: ends(), dest: ends(), proto };
    let fd = |fd, proto| sysflow_flow::InitialFd { fd, kind: kind(proto), open_flags: 0 };
    let found =
        sysflow_flow::Initial { tid: 7, pid: 7, fds: vec![fd(3, 254), fd(4, -1)], ..Default::default() };
    let mut recorder = sysflow_flow::Recorder::new(sysflow_flow::Config::default());
    let mut records: Vec<sysflow::Record> = Vec::new();
    recorder.start([found], &mut records);
    for fd in [3, 4] {
        let op = Op::Read { ret: 1, fd, tuple: None };
        recorder.apply(&sysflow_flow::Event { ts: 1, tid: 7, op }, &mut sysflow_flow::NoHost, &mut records);
    }
    recorder.finish(&mut records);
    let protos: Vec<i32> = records
        .iter()
        .filter_map(
            |record| if let sysflow::Record::NetworkFlow(flow) = record { Some(flow.proto) } else { None },
        )
        .collect();
    assert_eq!(protos, [254, -1]);
}
