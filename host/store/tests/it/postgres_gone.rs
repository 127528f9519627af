//! PostgreSQL that goes away and comes back, without the store being opened again.

use std::io::ErrorKind;
use std::sync::Arc;

use hardpoint_store::testing::cluster::Cluster;
use hardpoint_store::{CallRecorder, Durability, Lane, Store, StoreConfig, StoreError, organizations};

use crate::call_records::record;
use crate::support::{Noon, open, organization};

async fn create(store: &Store, id: &str) -> Result<(), StoreError> {
    let organization = organization(id);
    store
        .write(Lane::Request, |tx| Box::pin(async move { organizations::create(tx, &organization).await }))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        // One test of `main.rs` tells.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => panic!("{error}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        data: folder.path().to_owned(),
        blobs: None,
        url: Some(cluster.url()),
        durability: Durability::Power,
    };
    let store = open(&config).await.unwrap();
    let recorder = CallRecorder::start(&store, Arc::new(Noon));
    create(&store, "org_1").await.unwrap();
    recorder.record(record(1)).await.unwrap();

    cluster.halt().unwrap();
    let outcome = create(&store, "org_2").await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    let outcome = recorder.record(record(2)).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(outcome.unwrap_err().is_transient());
    assert!(store.ping().await.is_err());
    assert!(open(&config).await.is_err());

    cluster.resume().unwrap();
    create(&store, "org_2").await.unwrap();
    recorder.record(record(2)).await.unwrap();
    store.ping().await.unwrap();
    let mut conn = store.read().await.unwrap();
    for id in ["org_1", "org_2"] {
        assert!(organizations::get(&mut conn, id).await.unwrap().is_some(), "{id}");
    }
}
