//! Another embedder takes the place of the one before: what is searched is whole, before, meanwhile and after.

use std::time::Duration;

use hardpoint_index::embedder::model;
use serde_json::{Value, json};

use crate::knowledge::put;
use crate::knowledge_remote::{
    BASES, PATIENCE, QUESTION, Scene, TEXT, Trouble, assert_score, scene, scene_with,
};

impl Scene {
    async fn change(&self, base: &str, embedder: Value) -> Value {
        let change = json!({ "embedder": embedder });
        put(&self.app, &self.customer.key, &format!("{BASES}/{base}"), &change).await.expect(200)
    }

    /// Waits until other vectors are searched; what a question finds all the while is looked at.
    async fn switched(&self, base: &str, look: impl Fn(&[Value])) {
        let switched = async {
            loop {
                let is_over = self.shown(base).await["next_embedder"] == Value::Null;
                look(&self.found(base, QUESTION).await);
                if is_over {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, switched).await.expect("the new vectors are searched");
    }

    /// A knowledge base of `alpha` with two documents that have their vectors.
    async fn stocked(&self, embedder: Option<Value>) -> String {
        let wanted = json!({ "name": "Handbook" });
        let base = match embedder {
            Some(embedder) => self.base(embedder).await,
            None => {
                crate::knowledge::id(&self.app.post_as(&self.customer.key, BASES, &wanted).await.expect(201))
            }
        };
        for (name, text) in [("returns.txt", TEXT), ("whales.txt", "Whales sing.")] {
            self.embedded(&self.upload(&base, name, text).await).await;
        }
        base
    }
}

fn alpha() -> Value {
    json!({ "model": "alpha", "dimensions": 3 })
}

fn are_whole(hits: &[Value]) {
    assert_eq!(hits.len(), 2, "{hits:?}");
    assert!(hits.iter().all(|hit| hit["score_kind"] == "semantic"), "{hits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_takes_the_place_of_the_one_before_at_once() {
    let scene = scene(1_000).await;
    let base = scene.stocked(Some(alpha())).await;

    scene.double.open.send_replace(false);
    scene.change(&base, json!({ "model": "beta" })).await;
    scene.double.is_asked("beta", "", 1).await;
    let shown = scene.shown(&base).await;
    assert_eq!(
        (&shown["embedder"]["model"], &shown["next_embedder"]["model"]),
        (&json!("alpha"), &json!("beta"))
    );
    assert_score(&scene.found(&base, QUESTION).await[0], "alpha", 0.30, QUESTION);

    scene.double.open.send_replace(true);
    scene.switched(&base, are_whole).await;
    assert_eq!(scene.shown(&base).await["embedder"], json!({ "model": "beta", "dimensions": 3 }));
    assert_score(&scene.found(&base, QUESTION).await[0], "beta", 0.8, QUESTION);
    let paid = scene.used("alpha").await;

    // And back.
    scene.change(&base, alpha()).await;
    scene.switched(&base, are_whole).await;
    assert!(scene.used("alpha").await.0 >= paid.0 + 2, "made anew, and paid for");
    assert_score(&scene.found(&base, QUESTION).await[0], "alpha", 0.30, QUESTION);
}

/// A host that has its own model loaded.
async fn with_own_model() -> Scene {
    let file = model::folder().map(|folder| folder.join(model::FILE)).filter(|file| file.exists());
    let file = file.expect("the embedding model is not there: run `cargo xtask model`");
    scene_with(0, &format!("[knowledge]\nmodel = {:?}\n", file.display().to_string())).await
}

/// More passages than are embedded in one turn, all of one organisation, which has one place of two.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_read_waits_for_nobodys_vectors() {
    let scene = with_own_model().await;
    let wanted = json!({ "name": "Handbook" });
    let base =
        crate::knowledge::id(&scene.app.post_as(&scene.customer.key, BASES, &wanted).await.expect(201));
    let long: String =
        (0..6_000).map(|number| format!("Whale {number} sings of the sea and its fish. ")).collect();
    let long = scene.upload(&base, "whales.txt", &long).await;
    let embedded = |document: &Value| document["coverage"]["embedded"].as_u64().unwrap_or_default();
    scene.until(&long, |it| it["status"] == "indexed" && embedded(it) > 0).await;
    let short = scene.upload(&base, "returns.txt", TEXT).await;
    scene.until(&short, |it| it["status"] == "indexed").await;
    let (embedded, chunks) = {
        let long = scene.document(&long).await;
        (embedded(&long), long["coverage"]["chunks"].as_u64().unwrap())
    };
    assert!(chunks > 300 && embedded < 256, "{embedded} of {chunks} have their vectors: a turn is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_model_gives_way_to_another_and_comes_back() {
    let scene = with_own_model().await;
    let base = scene.stocked(None).await;
    let own = scene.shown(&base).await["embedder"].clone();
    let before = scene.found(&base, QUESTION).await;
    are_whole(&before);
    let scores = |hits: &[Value]| hits.iter().map(|hit| hit["similarity_score"].clone()).collect::<Vec<_>>();

    scene.double.open.send_replace(false);
    scene.change(&base, json!({ "model": "beta" })).await;
    scene.double.is_asked("beta", "", 1).await;
    assert_eq!(scores(&scene.found(&base, QUESTION).await), scores(&before), "nothing has taken its place");
    scene.double.open.send_replace(true);
    scene.switched(&base, are_whole).await;
    let other = scene.found(&base, QUESTION).await;
    assert_score(&other[0], "beta", 0.8, QUESTION);
    assert_ne!(scores(&other), scores(&before));

    scene.change(&base, own.clone()).await;
    let either = |hits: &[Value]| {
        are_whole(hits);
        assert!(
            [&other, &before].map(|known| scores(known)).contains(&scores(hits)),
            "of one and of the other"
        );
    };
    scene.switched(&base, either).await;
    assert_eq!(scene.shown(&base).await["embedder"], own);
    assert_eq!(scores(&scene.found(&base, QUESTION).await), scores(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_has_the_vectors_that_it_began_with_to_its_end() {
    let scene = scene(1_000).await;
    let base = scene.stocked(Some(alpha())).await;
    let question = "Have patience: can shoes be returned?";
    scene.double.patience.send_replace(false);
    let asked = json!({
        "query": question, "knowledge": [&base], "use_hybrid": false, "similarity_threshold": 0.0
    });
    let searched = scene.app.post_as(&scene.customer.key, "/api/v1/search", &asked);
    let meanwhile = async {
        scene.double.is_asked("alpha", "patience", 1).await;
        scene.change(&base, json!({ "model": "beta" })).await;
        scene.switched(&base, are_whole).await;
        scene.double.patience.send_replace(true);
    };
    let (found, ()) = tokio::join!(searched, meanwhile);
    let found = found.expect(200);
    let hits = found["results"].as_array().unwrap();
    are_whole(hits);
    assert_score(&hits[0], "alpha", 0.30, question);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_refuses_takes_nothings_place() {
    let scene = scene(1_000).await;
    let base = scene.stocked(Some(alpha())).await;
    scene.double.is_in_trouble(Trouble::Status(400));
    scene.double.is_in_trouble(Trouble::Status(400));
    scene.change(&base, json!({ "model": "beta" })).await;
    let path = format!("{BASES}/{base}/documents");
    let documents = async || {
        let listed = scene.app.get_as(&scene.customer.key, &path).await.expect(200);
        listed["data"].as_array().unwrap().clone()
    };
    let refused = async {
        while !documents().await.iter().all(|it| it["reason"].is_string()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it is told");
    let shown = scene.shown(&base).await;
    let models = (&shown["embedder"]["model"], &shown["next_embedder"]["model"]);
    assert_eq!(models, (&json!("alpha"), &json!("beta")), "what is whole is searched");
    let hits = scene.found(&base, QUESTION).await;
    are_whole(&hits);
    assert_score(&hits[0], "alpha", 0.30, QUESTION);

    // Whoever goes back pays for nothing.
    let paid = scene.used("alpha").await;
    let back = scene.change(&base, alpha()).await;
    assert_eq!((&back["embedder"], &back["next_embedder"]), (&alpha(), &Value::Null));
    assert!(documents().await.iter().all(|it| it["reason"] == Value::Null));
    are_whole(&scene.found(&base, QUESTION).await);
    assert_eq!(scene.used("alpha").await.0, paid.0 + 1, "a question's alone");
}
