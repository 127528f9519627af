//! WASI inside the sandbox: clocks, randomness, and standard output into the plugin's log. No files
//! but the scratch folder of a tool that was granted one, no sockets, no environment.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, async_trait};

use crate::log::{CallLog, LogLevel};
use crate::sandbox::CallState;
use crate::secret::StreamRedactor;

/// What a guest may hand to one `write`.
const WRITE_BYTES: usize = 64 << 10;
/// A line that never ends is cut here.
const LINE_BYTES: usize = 8 << 10;

/// What the guest of this call finds.
pub(crate) fn context(state: &CallState) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(WRITE_BYTES as u64);
    wasi.stdout(Stdio::new(state, LogLevel::Info)).stderr(Stdio::new(state, LogLevel::Warn));
    if let Some(scratch) = &state.scratch {
        let opened = wasi.preopened_dir(scratch.path(), "/scratch", FsPerms::ReadWrite);
        if let Err(error) = opened {
            tracing::warn!(%error, "a scratch folder cannot be opened");
        }
    }
    wasi.build()
}

/// One of the two standard outputs: whole lines go to the plugin's log.
#[derive(Clone)]
struct Stdio {
    log: Arc<CallLog>,
    level: LogLevel,
    line: Arc<Mutex<Line>>,
}

/// What was written since the last end of line.
struct Line {
    /// Before a long line is cut: a secret would be found in neither of its halves.
    redactor: Option<StreamRedactor>,
    bytes: Vec<u8>,
}

impl Stdio {
    fn new(state: &CallState, level: LogLevel) -> Self {
        let line = Line { redactor: state.secrets.stream_redactor(), bytes: Vec::new() };
        Self { log: Arc::clone(&state.log), level, line: Arc::new(Mutex::new(line)) }
    }

    fn take(&self, line: &mut Vec<u8>, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= LINE_BYTES {
                self.emit(line);
            }
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        self.log.write(self.level, &String::from_utf8_lossy(line));
        line.clear();
    }
}

impl OutputStream for Stdio {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut line = self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Line { redactor, bytes: unfinished } = &mut *line;
        match redactor {
            Some(redactor) => self.take(unfinished, &redactor.push(&bytes)),
            None => self.take(unfinished, &bytes),
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        // The last of the handles passes on what had no end of line.
        if Arc::strong_count(&self.line) > 1 {
            return;
        }
        let line = Arc::clone(&self.line);
        let mut line = line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let held = line.redactor.take().map(StreamRedactor::finish).unwrap_or_default();
        self.take(&mut line.bytes, &held);
        if !line.bytes.is_empty() {
            self.emit(&mut line.bytes);
        }
    }
}

#[async_trait]
impl Pollable for Stdio {
    async fn ready(&mut self) {}
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdio {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 writes this way, and no such interface is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}
