//! Against real sockets on the loopback interface, which a test's configuration has to allow by name.

mod denials;
mod double;
mod exchanges;
mod faults;
mod hosts;
mod own;
mod proxies;
mod tls;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::origin::Origin;

use super::*;

/// The name under which tests reach the loopback interface.
const HOST: &str = "api.test";

#[derive(Debug, Default)]
struct FakeResolver {
    names: HashMap<String, Vec<IpAddr>>,
    asked: AtomicUsize,
    never: bool,
}

impl Resolve for FakeResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if self.never {
                std::future::pending::<()>().await;
            }
            self.names.get(host).cloned().ok_or_else(|| std::io::Error::other("no such name"))
        })
    }
}

fn resolver(names: &[(&str, &[&str])]) -> Arc<FakeResolver> {
    let addresses = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
    let names = names.iter().map(|(name, list)| ((*name).to_owned(), addresses(list))).collect();
    Arc::new(FakeResolver { names, ..FakeResolver::default() })
}

fn config() -> EgressConfig {
    EgressConfig {
        allow_internal: vec![HOST.to_owned()],
        resolver: Some(resolver(&[(HOST, &["127.0.0.1"])])),
        ..EgressConfig::default()
    }
}

fn egress() -> Egress {
    Egress::new(config()).unwrap()
}

fn rules(rules: &[&str]) -> Permissions {
    Permissions { http: rules.iter().map(|rule| rule.parse().unwrap()).collect(), ..Permissions::default() }
}

/// Everything at the origin of `url`, and nothing else.
fn permits(url: &str) -> Permissions {
    let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
    rules(&[&format!("GET,POST {origin}")])
}

fn get(url: &str) -> EgressRequest {
    EgressRequest { method: "GET".into(), url: url.into(), headers: vec![], body: vec![], gzip: false }
}

fn post(url: &str, body: Vec<Part>) -> EgressRequest {
    EgressRequest { method: "POST".into(), body, ..get(url) }
}

fn text(text: &str) -> Part {
    Part::Bytes(text.to_owned().into())
}

fn options() -> SendOptions<'static> {
    SendOptions::for_binding("mine")
}

fn impatient() -> SendOptions<'static> {
    let limit = Duration::from_millis(80);
    options().timeouts(Timeouts { connect: limit, first_byte: limit, gap: limit })
}

/// Sends what the origin of the request permits, without secrets.
async fn send(egress: &Egress, request: EgressRequest) -> Result<EgressResponse, EgressError> {
    send_with(egress, request, &options()).await
}

async fn send_with(
    egress: &Egress,
    request: EgressRequest,
    options: &SendOptions<'_>,
) -> Result<EgressResponse, EgressError> {
    let permissions = permits(&request.url);
    egress.send(request, &permissions, &BTreeMap::new(), options).await
}

async fn read(mut body: EgressBody) -> Result<String, EgressError> {
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(all).unwrap())
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}
