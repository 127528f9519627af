//! Credits: what organisations have, lease to hosts and spent; in double entry.
//!
//! Four accounts an organisation: `paid_in` (where credits come from), `credits` (what it has), `leased` (what hosts
//! hold) and `spent`. Whoever changes a row here writes the entries of the same change, in the same transaction.
//! Transactions lock leases first, then accounts, each in the order of their ids.

use std::time::Duration;

use hardpoint_domain::budget::{Account, Budget, Grant, Short};
use hardpoint_domain::money::Credits;
use hardpoint_domain::time::Timestamp;

use crate::columns::{Amount, MaybeAmount, Micros};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// How far ahead of the present month another may have begun, where clocks differ: two months.
const PLAUSIBLE: Duration = Duration::from_secs(62 * 86_400);

/// An organisation's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credited {
    /// As hosts lease from it.
    pub account: Account,
    /// The beginning of the month that `account.committed` is of.
    pub period_begin: Timestamp,
    /// Whether it was told this month that the soft cap is reached.
    pub soft_cap_told: bool,
}

/// What a host wishes to lease.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The organisation's id.
    pub organization_id: String,
    /// Whether its plan lets it spend only what it has.
    pub prepaid: bool,
    /// What its plan adds at the beginning of a month.
    pub monthly: Credits,
    /// What one request needs.
    pub need: Credits,
    /// What all that wait want.
    pub wanted: Credits,
    /// The new lease's id.
    pub lease: String,
    /// The present.
    pub now: Timestamp,
    /// When others may take back what the host does not use.
    pub expires_at: Timestamp,
}

/// An entry of the books.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    /// Entries of one transfer add up to nothing.
    pub transfer_id: String,
    /// `paid_in`, `credits`, `leased` or `spent`.
    pub account: String,
    /// What is added to the account.
    #[sqlx(try_from = "Amount")]
    pub amount: Credits,
    /// `top_up`, `refund`, `plan`, `lease`, `close` or `late`.
    pub kind: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub time: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(try_from = "Amount")]
    available: Credits,
    prepaid: bool,
    #[sqlx(try_from = "Micros")]
    period_begin: Timestamp,
    #[sqlx(try_from = "Amount")]
    committed: Credits,
    #[sqlx(try_from = "MaybeAmount")]
    spend_cap: Option<Credits>,
    #[sqlx(try_from = "MaybeAmount")]
    soft_cap: Option<Credits>,
    soft_cap_told: bool,
    #[sqlx(try_from = "MaybeAmount")]
    approval_threshold: Option<Credits>,
}

#[derive(sqlx::FromRow)]
struct Stands {
    #[sqlx(flatten)]
    row: Row,
    #[sqlx(try_from = "Amount")]
    held: Credits,
    #[sqlx(try_from = "Amount")]
    added: Credits,
}

impl From<Row> for Credited {
    fn from(row: Row) -> Self {
        let budget = Budget {
            spend_cap: row.spend_cap,
            soft_cap: row.soft_cap,
            approval_threshold: row.approval_threshold,
        };
        let account =
            Account { available: row.available, committed: row.committed, budget, prepaid: row.prepaid };
        Self { account, period_begin: row.period_begin, soft_cap_told: row.soft_cap_told }
    }
}

impl Credited {
    /// As it is asked for a lease: a soft cap that was told of this month is reached once.
    fn asked(&self) -> Account {
        let soft_cap = self.account.budget.soft_cap.filter(|_| !self.soft_cap_told);
        Account { budget: Budget { soft_cap, ..self.account.budget }, ..self.account }
    }
}

/// What a plan, or one after the other, has added in the month that `$2` names: whole seconds have ten digits, so that
/// no month's name is the beginning of another's.
macro_rules! added {
    () => {
        "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries \
         WHERE transfer_id >= $2 AND transfer_id < $2 || ';' AND account = 'credits' AND organization_id = $1"
    };
}

/// What hosts hold of an organisation and did not spend.
macro_rules! held {
    () => {
        "SELECT CAST(COALESCE(SUM(granted - spent), 0) AS BIGINT) FROM credit_leases \
         WHERE organization_id = $1 AND is_open"
    };
}

macro_rules! row {
    () => {
        "available, prepaid, period_begin, committed, spend_cap, soft_cap, soft_cap_told, approval_threshold"
    };
}

statements! {
    /// Makes the account where it is missing, and lets no other transaction change it beside this one.
    OPEN: concat!(
        "INSERT INTO credit_accounts (organization_id, available, prepaid, period_begin, committed) \
         VALUES ($1, 0, $2, $3, 0) ON CONFLICT (organization_id) DO UPDATE SET available = credit_accounts.available \
         RETURNING ", row!()
    );
    GET: concat!("SELECT ", row!(), " FROM credit_accounts WHERE organization_id = $1");
    CHANGE: "UPDATE credit_accounts SET available = available + $2, committed = committed + $3 WHERE organization_id = $1";
    BEGIN_PERIOD: "UPDATE credit_accounts SET period_begin = $2, committed = 0, soft_cap_told = FALSE \
                   WHERE organization_id = $1";
    NOTE_SOFT_CAP: "UPDATE credit_accounts SET soft_cap_told = TRUE WHERE organization_id = $1";
    SET_PREPAID: "UPDATE credit_accounts SET prepaid = $2 WHERE organization_id = $1";
    SET_BUDGET: "UPDATE credit_accounts SET spend_cap = $2, soft_cap = $3, approval_threshold = $4, \
                 soft_cap_told = FALSE \
                 WHERE organization_id = $1";
    GIVE_BACK: "UPDATE credit_accounts SET available = available + $2, \
                committed = committed - CASE WHEN period_begin = $3 THEN $2 ELSE 0 END WHERE organization_id = $1";
    INSERT_LEASE: "INSERT INTO credit_leases (id, organization_id, granted, spent, period_begin, expires_at, is_open) \
                   VALUES ($1, $2, $3, 0, $4, $5, TRUE)";
    INSERT_ENTRY: "INSERT INTO ledger_entries (transfer_id, account, organization_id, amount, kind, time) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
    TRANSFERRED: "SELECT time FROM ledger_entries WHERE transfer_id = $1 LIMIT 1";
    STANDS: concat!(
        "SELECT ", row!(), ", (", held!(), ") AS held, (", added!(), ") AS added \
         FROM credit_accounts WHERE organization_id = $1"
    );
    ADDED: added!();
    HELD: held!();
    /// Names of transfers that belong to another begin with its name and a colon.
    BESIDE: "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries \
             WHERE transfer_id > $2 || ':' AND transfer_id < $2 || ';' AND account = 'credits' AND organization_id = $1";
    ENTRIES: "SELECT transfer_id, account, amount, kind, time FROM ledger_entries WHERE organization_id = $1 \
              ORDER BY time DESC, transfer_id DESC, account DESC LIMIT $2 OFFSET $3";
    BALANCES: "SELECT account, CAST(SUM(amount) AS BIGINT) FROM ledger_entries WHERE organization_id = $1 \
               GROUP BY account ORDER BY account";
}

/// An organisation's account; none where no credits of it ever moved.
pub async fn get(conn: &mut Conn, organization_id: &str) -> Result<Option<Credited>, StoreError> {
    Ok(fetch!(conn, fetch_optional, Row, GET, organization_id)?.map(Credited::from))
}

/// The account as the next request will find it: of the present month, and with what its plan adds to that, also
/// where nobody has spent anything yet and so nothing is entered. Beside it what hosts hold and did not spend. Changes
/// nothing.
pub async fn stands(
    conn: &mut Conn,
    organization_id: &str,
    monthly: Credits,
    now: Timestamp,
) -> Result<(Account, Credits), StoreError> {
    let month = now.month_start();
    let transfer = of_month(organization_id, month);
    // In one statement: what goes back from hosts meanwhile is in one of the two, and not in both or neither.
    let found = fetch!(conn, fetch_optional, Stands, STANDS, organization_id, transfer)?;
    let Some(Stands { row, held, added }) = found else {
        return Ok((Account { available: monthly, ..Account::default() }, Credits::ZERO));
    };
    let found = Credited::from(row);
    let mut account = found.account;
    if gives_way(found.period_begin, month) {
        account.committed = Credits::ZERO;
    } else if found.period_begin > month {
        // Whoever began a month that is not here yet has added what it gives.
        return Ok((account, held));
    }
    account.available += (monthly - added).max(Credits::ZERO);
    Ok((account, held))
}

/// Entries of the books, newest first.
pub async fn entries(
    conn: &mut Conn,
    organization_id: &str,
    window: Window,
) -> Result<Vec<Entry>, StoreError> {
    fetch!(conn, fetch_all, Entry, ENTRIES, organization_id, window.limit, window.offset)
}

/// What the entries of each account add up to.
pub async fn balances(conn: &mut Conn, organization_id: &str) -> Result<Vec<(String, Credits)>, StoreError> {
    let found: Vec<(String, i64)> = fetch!(conn, fetch_all, (String, i64), BALANCES, organization_id)?;
    Ok(found.into_iter().map(|(account, sum)| (account, Credits::from_micros(sum))).collect())
}

/// The account, made where it is missing and brought to the present month. No other transaction changes it until
/// this one ends.
pub async fn open(
    tx: &mut Tx,
    organization_id: &str,
    prepaid: bool,
    now: Timestamp,
) -> Result<Credited, StoreError> {
    let month = now.month_start();
    let row = fetch!(tx, fetch_one, Row, OPEN, organization_id, prepaid, month.micros())?;
    let mut found = Credited::from(row);
    if found.account.prepaid != prepaid {
        execute!(tx, SET_PREPAID, organization_id, prepaid)?;
        found.account.prepaid = prepaid;
    }
    if gives_way(found.period_begin, month) {
        execute!(tx, BEGIN_PERIOD, organization_id, month.micros())?;
        (found.period_begin, found.account.committed) = (month, Credits::ZERO);
        found.soft_cap_told = false;
    }
    Ok(found)
}

/// Whether the month that an account is in ends with this one. A host whose clock is behind does not begin the last
/// month again; but one that is months ahead was begun by a clock that was wrong.
fn gives_way(period_begin: Timestamp, month: Timestamp) -> bool {
    period_begin < month || period_begin > month.plus(PLAUSIBLE)
}

/// Adds credits, or takes some where the amount is negative; `id` names the transfer, and a second one of that name
/// is `Duplicate`.
pub async fn pay_in(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    kind: &str,
    amount: Credits,
    now: Timestamp,
) -> Result<(), StoreError> {
    let transfer = Transfer { id, organization_id, kind, now };
    transfer.write(tx, &[("paid_in", -amount), ("credits", amount)]).await?;
    execute!(tx, CHANGE, organization_id, amount.micros(), 0_i64).map(drop)
}

/// Sets the budget.
pub async fn set_budget(tx: &mut Tx, organization_id: &str, budget: Budget) -> Result<(), StoreError> {
    let micros = |amount: Option<Credits>| amount.map(Credits::micros);
    let Budget { spend_cap, soft_cap, approval_threshold } = budget;
    let (cap, soft, threshold) = (micros(spend_cap), micros(soft_cap), micros(approval_threshold));
    execute!(tx, SET_BUDGET, organization_id, cap, soft, threshold).map(drop)
}

/// Leases a block, and says how the account stood before; or says what is short, with nothing leased.
pub async fn lease(tx: &mut Tx, wish: &Wish) -> Result<(Result<Grant, Short>, Account), StoreError> {
    let organization = &wish.organization_id;
    let mut found = open(tx, organization, wish.prepaid, wish.now).await?;
    if wish.monthly.is_positive() {
        found.account.available += add_monthly(tx, wish, found.period_begin).await?;
    }
    let granted = found.asked().grant(wish.need, wish.wanted);
    if let Ok(Grant { amount, crosses_soft_cap, .. }) = granted {
        let id = format!("{}:lease", wish.lease);
        let transfer = Transfer { id: &id, organization_id: organization, kind: "lease", now: wish.now };
        transfer.write(tx, &[("credits", -amount), ("leased", amount)]).await?;
        execute!(tx, CHANGE, organization, (-amount).micros(), amount.micros())?;
        let (begin, expires) = (found.period_begin.micros(), wish.expires_at.micros());
        execute!(tx, INSERT_LEASE, &wish.lease, organization, amount.micros(), begin, expires)?;
        if crosses_soft_cap {
            execute!(tx, NOTE_SOFT_CAP, organization)?;
        }
    }
    Ok((granted, found.account))
}

/// Adds what the plan includes in a month, less what one before it has added in the same month; says how much that is.
async fn add_monthly(tx: &mut Tx, wish: &Wish, begin: Timestamp) -> Result<Credits, StoreError> {
    let (organization, name) = (&wish.organization_id, of_month(&wish.organization_id, begin));
    let (before,): (i64,) = fetch!(tx, fetch_one, (i64,), ADDED, organization, &name)?;
    let before = Credits::from_micros(before);
    let rest = wish.monthly - before;
    if !rest.is_positive() {
        return Ok(Credits::ZERO);
    }
    // A larger plan than the one before: what it adds to has a name of its own.
    let name = if before.is_positive() { format!("{name}:{}", wish.monthly.micros()) } else { name };
    pay_in(tx, organization, &name, "plan", rest, wish.now).await?;
    Ok(rest)
}

/// What hosts hold of an organisation and did not spend.
pub async fn held(conn: &mut Conn, organization_id: &str) -> Result<Credits, StoreError> {
    let (held,): (i64,) = fetch!(conn, fetch_one, (i64,), HELD, organization_id)?;
    Ok(Credits::from_micros(held))
}

/// What the transfers that belong to another, `NAME:…` to `NAME`, have added to an organisation's credits together.
pub async fn beside(conn: &mut Conn, organization_id: &str, name: &str) -> Result<Credits, StoreError> {
    let (sum,): (i64,) = fetch!(conn, fetch_one, (i64,), BESIDE, organization_id, name)?;
    Ok(Credits::from_micros(sum))
}

/// The transfer that adds what the plan includes in the month that begins then; others of the same month begin so.
fn of_month(organization_id: &str, begin: Timestamp) -> String {
    format!("plan:{organization_id}:{}", begin.seconds())
}

/// Whether there is a transfer of this id.
pub async fn is_transferred(conn: &mut Conn, id: &str) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = fetch!(conn, fetch_optional, (i64,), TRANSFERRED, id)?;
    Ok(found.is_some())
}

/// A transfer between accounts of an organisation.
pub(crate) struct Transfer<'a> {
    pub(crate) id: &'a str,
    pub(crate) organization_id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) now: Timestamp,
}

impl Transfer<'_> {
    /// Writes its entries, which add up to nothing; those of nothing are left out.
    pub(crate) async fn write(&self, tx: &mut Tx, entries: &[(&str, Credits)]) -> Result<(), StoreError> {
        if entries.iter().map(|(_, amount)| *amount).sum::<Credits>() != Credits::ZERO {
            return Err(StoreError::InvalidValue(format!("the transfer {} does not add up", self.id)));
        }
        for (account, amount) in entries.iter().filter(|(_, amount)| *amount != Credits::ZERO) {
            let (id, organization, kind) = (self.id, self.organization_id, self.kind);
            execute!(tx, INSERT_ENTRY, id, *account, organization, amount.micros(), kind, self.now.micros())?;
        }
        Ok(())
    }
}

/// Gives what is left of a lease of that month back to its organisation.
pub(crate) async fn give_back(
    tx: &mut Tx,
    organization_id: &str,
    rest: Credits,
    period_begin: Timestamp,
) -> Result<(), StoreError> {
    execute!(tx, GIVE_BACK, organization_id, rest.micros(), period_begin.micros()).map(drop)
}

/// Takes what a request cost whose lease was closed before it ended, as far as there is so much; says how much that is.
pub(crate) async fn charge_late(
    tx: &mut Tx,
    organization_id: &str,
    request_id: &str,
    cost: Credits,
    now: Timestamp,
) -> Result<Credits, StoreError> {
    let Some(found) = get(tx, organization_id).await? else { return Ok(Credits::ZERO) };
    // The lock.
    let found = open(tx, organization_id, found.account.prepaid, now).await?;
    let amount = found.account.affordable(cost);
    if amount.is_positive() {
        let transfer = Transfer { id: request_id, organization_id, kind: "late", now };
        transfer.write(tx, &[("credits", -amount), ("spent", amount)]).await?;
        execute!(tx, CHANGE, organization_id, (-amount).micros(), amount.micros())?;
    }
    Ok(amount)
}
