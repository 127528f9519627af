use bytes::Bytes;
use futures_util::TryStreamExt;
use hardpoint_store::blobs::{BlobKey, Found};
use hardpoint_store::{StoreConfig, StoreError};

use crate::support::{Fixture, on_both, open};

on_both!(
    bytes_come_back,
    parts_come_back,
    what_comes_in_pieces_is_there_when_it_is_whole,
    what_a_lost_host_began_is_gone,
    stores_may_share_a_folder,
    keys_are_digests
);

async fn bytes_come_back(db: Fixture) {
    let blobs = db.store.blobs();
    let key = BlobKey::plugin(&"a1".repeat(32)).unwrap();
    assert_eq!(key, BlobKey::plugin(&format!("sha256:{}", "a1".repeat(32))).unwrap());
    assert_eq!(blobs.get(&key, 1).await.unwrap(), Found::Nothing);
    assert!(!blobs.exists(&key).await.unwrap());
    let bytes = Bytes::from(vec![7; 3_000_000]);
    for _ in 0..2 {
        blobs.put(&key, bytes.clone()).await.unwrap();
    }
    assert_eq!(blobs.get(&key, 3_000_000).await.unwrap(), Found::Bytes(bytes));
    for other in [0, 2_999_999, 3_000_001] {
        assert_eq!(blobs.get(&key, other).await.unwrap(), Found::OtherSize);
    }
    assert!(blobs.exists(&key).await.unwrap());
    let folder = std::fs::read_dir(db.config.data.join("blobs/plugins")).unwrap();
    let files: Vec<_> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, [format!("{}.wasm", "a1".repeat(32))]);
    for _ in 0..2 {
        blobs.delete(&key).await.unwrap();
    }
    assert!(!blobs.exists(&key).await.unwrap());
}

async fn parts_come_back(db: Fixture) {
    let (blobs, key) = (db.store.blobs(), BlobKey::document("doc-1").unwrap());
    assert_eq!(blobs.read(&key, 0, 9).await.unwrap(), Bytes::new(), "nothing is there");
    blobs.put(&key, Bytes::from_static(b"0123456789")).await.unwrap();
    for (offset, length, expected) in [
        (0, 4, "0123"),
        (8, 4, "89"),
        (0, u64::MAX, "0123456789"),
        (9, 1, "9"),
        (10, 1, ""),
        (u64::MAX, 2, ""),
    ] {
        assert_eq!(blobs.read(&key, offset, length).await.unwrap(), expected, "{length} from {offset}");
    }
    assert!(db.config.data.join("blobs/documents/doc-1").is_file());
    for bad in ["", "a/b", "..", "doc_1", "doc-1.", "é", &"a".repeat(81)] {
        assert!(matches!(BlobKey::document(bad), Err(StoreError::InvalidValue(_))), "{bad}");
    }
}

async fn what_comes_in_pieces_is_there_when_it_is_whole(db: Fixture) {
    let (blobs, key) = (db.store.blobs(), BlobKey::document("doc-1").unwrap());
    let folder = db.config.data.join("blobs/documents");
    let files = || std::fs::read_dir(&folder).map_or(0, |entries| entries.count());
    let pieces: Vec<Vec<u8>> = (0..9_u8).map(|number| vec![number; 1_500_000]).collect();
    let whole = pieces.concat();
    let mut writer = blobs.writer(&key).await.unwrap();
    for piece in &pieces {
        writer.write(piece).await.unwrap();
        assert!(!blobs.exists(&key).await.unwrap());
    }
    writer.finish().await.unwrap();
    let read = blobs.stream(&key, whole.len() as u64).await.unwrap().unwrap();
    let read: Vec<Bytes> = read.try_collect().await.unwrap();
    assert!(read.len() > 1 && read.concat() == whole);
    assert!(blobs.stream(&key, 1).await.unwrap().is_none(), "others are not read");
    blobs.delete(&key).await.unwrap();
    assert!(blobs.stream(&key, 0).await.unwrap().is_none(), "nothing is there");

    // One that is given up leaves nothing, not even for a while under another name.
    let mut writer = blobs.writer(&key).await.unwrap();
    for piece in &pieces {
        writer.write(piece).await.unwrap();
    }
    assert_eq!(files(), 1, "it is on its way");
    drop(writer);
    let gone = async {
        while files() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.expect("it is gone");
    assert!(!blobs.exists(&key).await.unwrap());

    // Nothing at all is a blob too.
    blobs.writer(&key).await.unwrap().finish().await.unwrap();
    assert_eq!(blobs.get(&key, 0).await.unwrap(), Found::Bytes(Bytes::new()));
}

async fn what_a_lost_host_began_is_gone(db: Fixture) {
    let blobs = db.store.blobs();
    let folder = db.config.data.join("blobs/documents");
    let files = || std::fs::read_dir(&folder).into_iter().flatten().count();
    let (key, other) = (BlobKey::document("doc-1").unwrap(), BlobKey::document("doc-11").unwrap());
    for key in [&key, &key, &other] {
        let mut writer = blobs.writer(key).await.unwrap();
        writer.write(&vec![7; 6_000_000]).await.unwrap();
        // Nobody is there to drop it.
        std::mem::forget(writer);
    }
    assert_eq!(files(), 3);
    blobs.delete(&key).await.unwrap();
    assert_eq!(files(), 3, "it never had its name");
    blobs.delete_unfinished(&key).await.unwrap();
    blobs.delete_unfinished(&key).await.unwrap();
    assert_eq!(files(), 1);
}

async fn stores_may_share_a_folder(db: Fixture) {
    let shared = Some(db.config.data.join("shared"));
    let at = |data: &str| StoreConfig {
        data: db.config.data.join(data),
        blobs: shared.clone(),
        ..db.config.clone()
    };
    let (one, other) = (open(&at("one")).await.unwrap(), open(&at("other")).await.unwrap());
    let (key, bytes) = (BlobKey::plugin(&"a1".repeat(32)).unwrap(), Bytes::from_static(b"shared"));
    one.blobs().put(&key, bytes.clone()).await.unwrap();
    assert_eq!(other.blobs().get(&key, 6).await.unwrap(), Found::Bytes(bytes));
    assert!(!at("one").data.join("blobs").exists());
}

async fn keys_are_digests(_: Fixture) {
    for bad in ["", "../../etc/passwd", &"A1".repeat(32), &"a1".repeat(31), &"/a".repeat(32)] {
        assert!(matches!(BlobKey::plugin(bad), Err(StoreError::InvalidValue(_))), "{bad}");
    }
}
