//! Payments: who organisations are to the payment provider, the notices that were acted upon, what was paid and went
//! back, and subscriptions. Ids of customers, notices, payments and subscriptions are the provider's.

use hardpoint_domain::money::Credits;
use hardpoint_domain::time::Timestamp;

use crate::columns::Amount;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// A payment of credits, as far as it was heard of.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Payment {
    /// The provider's id.
    pub id: String,
    /// Who bought; none as long as only a refund was heard of.
    pub organization_id: Option<String>,
    /// What was bought.
    #[sqlx(try_from = "Amount")]
    pub credits: Credits,
    /// What was paid, in the smallest unit of some money; 0 as long as nothing went back.
    pub paid: i64,
    /// How much of it went back: refunded, or disputed.
    pub refunded: i64,
    /// How many of the credits were taken back, or were missing when they were to be.
    #[sqlx(try_from = "Amount")]
    pub taken_back: Credits,
    /// Another with each change.
    pub revision: i64,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Subscription {
    /// The provider's id.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// The plan that it gives while it is paid.
    pub plan: Option<String>,
    /// Whether it is.
    pub is_paid: bool,
    /// Raised with each change; 0 for one that was not kept yet.
    pub revision: i64,
}

macro_rules! payment {
    () => {
        "id, organization_id, credits, paid, refunded, taken_back, updated_at AS revision"
    };
}

statements! {
    CUSTOMER_OF: "SELECT id FROM payment_customers WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1";
    OWNER_OF: "SELECT organization_id FROM payment_customers WHERE id = $1";
    KEEP_CUSTOMER: "INSERT INTO payment_customers (id, organization_id, created_at) VALUES ($1, $2, $3) \
                    ON CONFLICT (id) DO NOTHING";
    IS_KNOWN: "SELECT received_at FROM payment_notices WHERE id = $1";
    CLAIM: "INSERT INTO payment_notices (id, kind, received_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
    FORGET: "DELETE FROM payment_notices WHERE received_at < $1";
    PAYMENT: concat!("SELECT ", payment!(), " FROM payments WHERE id = $1");
    /// Times of changes are all different: they say whether anything was changed since.
    BOOK: concat!(
        "INSERT INTO payments (id, organization_id, credits, paid, refunded, taken_back, updated_at) \
         VALUES ($1, $2, $3, 0, 0, 0, $4) \
         ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, credits = excluded.credits, \
         updated_at = CASE WHEN excluded.updated_at > payments.updated_at THEN excluded.updated_at \
         ELSE payments.updated_at + 1 END WHERE payments.organization_id IS NULL RETURNING ", payment!()
    );
    HEAR: concat!(
        "INSERT INTO payments (id, organization_id, credits, paid, refunded, taken_back, updated_at) \
         VALUES ($1, NULL, 0, $2, $3, 0, $4) ON CONFLICT (id) DO NOTHING RETURNING ", payment!()
    );
    GO_BACK: concat!(
        "UPDATE payments SET paid = $2, refunded = $3, \
         updated_at = CASE WHEN $4 > updated_at THEN $4 ELSE updated_at + 1 END \
         WHERE id = $1 AND updated_at = $5 RETURNING ", payment!()
    );
    TAKE_BACK: "UPDATE payments SET taken_back = $2 WHERE id = $1";
    SUBSCRIPTION: "SELECT id, organization_id, plan, is_paid, revision FROM payment_subscriptions WHERE id = $1";
    SUBSCRIBE: "INSERT INTO payment_subscriptions (id, organization_id, plan, is_paid, revision, updated_at) \
                VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (id) DO NOTHING";
    CHANGE: "UPDATE payment_subscriptions SET plan = $2, is_paid = $3, revision = revision + 1, updated_at = $4 \
             WHERE id = $1 AND revision = $5";
    PAID_PLANS: "SELECT DISTINCT plan FROM payment_subscriptions \
                 WHERE organization_id = $1 AND is_paid AND plan IS NOT NULL ORDER BY plan";
}

/// Who an organisation is to the provider, the last of those that it was.
pub async fn customer_of(conn: &mut Conn, organization_id: &str) -> Result<Option<String>, StoreError> {
    let found = fetch!(conn, fetch_optional, (String,), CUSTOMER_OF, organization_id)?;
    Ok(found.map(|(id,)| id))
}

/// The organisation that is, or was, this customer.
pub async fn owner_of(conn: &mut Conn, customer_id: &str) -> Result<Option<String>, StoreError> {
    let found = fetch!(conn, fetch_optional, (String,), OWNER_OF, customer_id)?;
    Ok(found.map(|(id,)| id))
}

/// Keeps who an organisation is from now on; false where that is known.
pub async fn keep_customer(
    tx: &mut Tx,
    id: &str,
    organization_id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, KEEP_CUSTOMER, id, organization_id, now.micros())? == 1)
}

/// Whether a notice was acted upon.
pub async fn is_known(conn: &mut Conn, notice_id: &str) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = fetch!(conn, fetch_optional, (i64,), IS_KNOWN, notice_id)?;
    Ok(found.is_some())
}

/// Takes a notice to act upon in this transaction; false where it was. Who takes the same one at the same time waits
/// for this transaction's end.
pub async fn claim(tx: &mut Tx, notice_id: &str, kind: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, CLAIM, notice_id, kind, now.micros())? == 1)
}

/// Forgets notices from before this time.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<(), StoreError> {
    execute!(tx, FORGET, before.micros()).map(drop)
}

/// Keeps what was bought with a payment, and tells what else is known of it; none where it was kept before.
pub async fn book(
    tx: &mut Tx,
    id: &str,
    organization_id: &str,
    credits: Credits,
    now: Timestamp,
) -> Result<Option<Payment>, StoreError> {
    fetch!(tx, fetch_optional, Payment, BOOK, id, organization_id, credits.micros(), now.micros())
}

/// A payment, as far as it was heard of.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Payment>, StoreError> {
    fetch!(conn, fetch_optional, Payment, PAYMENT, id)
}

/// Keeps how much of a payment has gone back by now, and tells what else is known of it. None, with nothing kept, where
/// it is not as it was `seen`, at that revision or not at all: what was learned then may be older than what is kept.
pub async fn go_back(
    tx: &mut Tx,
    id: &str,
    seen: Option<i64>,
    [paid, refunded]: [i64; 2],
    now: Timestamp,
) -> Result<Option<Payment>, StoreError> {
    match seen {
        None => fetch!(tx, fetch_optional, Payment, HEAR, id, paid, refunded, now.micros()),
        Some(seen) => fetch!(tx, fetch_optional, Payment, GO_BACK, id, paid, refunded, now.micros(), seen),
    }
}

/// Keeps how many of a payment's credits were taken back so far.
pub async fn take_back(tx: &mut Tx, id: &str, in_all: Credits) -> Result<(), StoreError> {
    execute!(tx, TAKE_BACK, id, in_all.micros()).map(drop)
}

/// A subscription, as it was last heard of.
pub async fn subscription(conn: &mut Conn, id: &str) -> Result<Option<Subscription>, StoreError> {
    fetch!(conn, fetch_optional, Subscription, SUBSCRIPTION, id)
}

/// Keeps what a subscription is now. False, with nothing kept, where it is not at this revision any more: what was
/// learned at that revision may be older than what is kept.
pub async fn follow(tx: &mut Tx, now: Timestamp, new: &Subscription) -> Result<bool, StoreError> {
    let Subscription { id, organization_id, plan, is_paid, revision } = new;
    let (plan, now) = (plan.as_deref(), now.micros());
    let kept = match revision {
        0 => execute!(tx, SUBSCRIBE, id, organization_id, plan, *is_paid, now)?,
        _ => execute!(tx, CHANGE, id, plan, *is_paid, now, *revision)?,
    };
    Ok(kept == 1)
}

/// The plans that an organisation's subscriptions give now.
pub async fn paid_plans(conn: &mut Conn, organization_id: &str) -> Result<Vec<String>, StoreError> {
    let found = fetch!(conn, fetch_all, (String,), PAID_PLANS, organization_id)?;
    Ok(found.into_iter().map(|(plan,)| plan).collect())
}
