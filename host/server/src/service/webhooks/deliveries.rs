//! What was sent to an endpoint, and sending it again.

use hardpoint_domain::id;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::events::NewDelivery;
use hardpoint_store::outbox::{self, Delivery, State};
use hardpoint_store::webhooks::Endpoint;
use hardpoint_store::{Lane, Window};
use serde_json::{Value, json};

use super::{Webhooks, may_change};
use crate::error::ApiError;
use crate::service::accounts::{Principal, shown};

/// Deliveries that are begun anew in one transaction.
const BATCH: i64 = 500;

impl Webhooks {
    /// The deliveries to an endpoint, of all states or one, those of the newest events first; and how many there are.
    ///
    /// # Errors
    /// 403 and 404 as [`get`](Self::get).
    pub async fn deliveries(
        &self,
        by: &Principal,
        id: &str,
        state: Option<State>,
        window: Window,
    ) -> Result<(Vec<Delivery>, i64), ApiError> {
        let endpoint = self.get(by, id).await?;
        Ok(outbox::list(&mut self.store.read().await?, &endpoint.id, state, window).await?)
    }

    /// One delivery.
    ///
    /// # Errors
    /// 403 and 404 as [`get`](Self::get), also where there is no such delivery.
    pub async fn delivery(&self, by: &Principal, id: &str, delivery: &str) -> Result<Delivery, ApiError> {
        let endpoint = self.get(by, id).await?;
        let found = match id::looks_like("dlv", delivery) {
            true => outbox::get(&mut self.store.read().await?, &endpoint.id, delivery).await?,
            false => None,
        };
        found.ok_or_else(|| no_delivery(delivery))
    }

    /// Begins a delivery anew that was made or given up, with the same webhook id. One that waits for its next attempt
    /// waits no more, and one that is on its way stays so.
    ///
    /// # Errors
    /// 403 and 404 as [`delivery`](Self::delivery); 409 where the endpoint is switched off.
    pub async fn replay(&self, by: &Principal, id: &str, delivery: &str) -> Result<Delivery, ApiError> {
        let endpoint = self.ready(by, id).await?;
        self.delivery(by, id, delivery).await?;
        let about = json!({ "delivery_id": delivery });
        let event = self.event(by, &endpoint, "webhook.replayed", None, about);
        let (now, endpoint_id, wanted) = (self.clock.now(), endpoint.id.clone(), delivery.to_owned());
        let write = self.store.write(Lane::Request, move |tx| {
            Box::pin(async move {
                if outbox::replay(tx, &endpoint_id, &wanted, now).await? {
                    tx.append(&event, &[]).await?;
                }
                Ok(())
            })
        });
        write.await?;
        self.store.told().add(vec![endpoint.id]);
        self.delivery(by, id, delivery).await
    }

    /// Begins all deliveries anew that were given up, of events since then; how many. Each batch tells of itself.
    ///
    /// # Errors
    /// 403 and 404 as [`get`](Self::get); 409 where the endpoint is switched off.
    pub async fn replay_since(&self, by: &Principal, id: &str, since: Timestamp) -> Result<u64, ApiError> {
        let endpoint = self.ready(by, id).await?;
        let now = self.clock.now();
        let (mut all, mut is_first) = (0, true);
        loop {
            let endpoint_id = endpoint.id.clone();
            let mut event = self.event(by, &endpoint, "webhook.replayed", None, Value::Null);
            let write = self.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move {
                    let some = outbox::replay_since(tx, &endpoint_id, since, now, BATCH).await?;
                    if some > 0 || is_first {
                        event.after = Some(json!({ "since": since.to_rfc3339(), "count": some }));
                        tx.append(&event, &[]).await?;
                    }
                    Ok(some)
                })
            });
            let some = write.await?;
            (all, is_first) = (all + some, false);
            self.store.told().add(vec![endpoint.id.clone()]);
            if some < BATCH.unsigned_abs() {
                return Ok(all);
            }
        }
    }

    /// Sends an endpoint an event that says nothing, whatever its filter.
    ///
    /// # Errors
    /// 403 and 404 as [`get`](Self::get); 409 where the endpoint is switched off.
    pub async fn test(&self, by: &Principal, id: &str) -> Result<Delivery, ApiError> {
        let endpoint = self.ready(by, id).await?;
        let told = json!({ "message": "This is a test of a webhook endpoint." });
        let event = self.event(by, &endpoint, "webhook.tested", None, told);
        let delivery = NewDelivery::of(&event, endpoint.id.clone());
        let delivery_id = delivery.id.clone();
        let write = self
            .store
            .write(Lane::Request, move |tx| Box::pin(async move { tx.append(&event, &[delivery]).await }));
        write.await?;
        self.delivery(by, id, &delivery_id).await
    }

    /// An endpoint that something may be sent to.
    async fn ready(&self, by: &Principal, id: &str) -> Result<Endpoint, ApiError> {
        let endpoint = self.get(by, id).await?;
        may_change(by)?;
        if endpoint.is_enabled {
            return Ok(endpoint);
        }
        Err(ApiError::conflict("This webhook endpoint is switched off. Set its 'enabled' to true first."))
    }
}

fn no_delivery(id: &str) -> ApiError {
    ApiError::not_found(format_args!("delivery `{}`", shown(id)))
}
