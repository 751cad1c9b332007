//! The way to the database: a few connections that are kept open, each statement with a limit of time.
//!
//! Statements are sent unnamed, so that they also work through a pooler that gives every transaction another connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connections of one process beside the one that listens.
const CONNECTIONS: usize = 4;
/// Longest time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time for a statement, whatever the server does.
const STATEMENT: Duration = Duration::from_secs(20);
/// After so long the connection that listens is made again.
const AGAIN: Duration = Duration::from_secs(5);
/// The oldest server that is understood.
const OLDEST: u32 = 13;

/// What cannot be done with the queue, in words that say what to do.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The address, a right, or the schema: trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// The database is away, slow or cut off: trying again helps.
    #[error("the queue at {at} cannot be reached: {why}")]
    Away {
        /// Where, without a password.
        at: String,
        /// Why.
        why: String,
    },
}

impl QueueError {
    /// Trying again may help.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// A database that holds a queue. Clones share their connections.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    config: Config,
    tls: MakeRustlsConnect,
    shown: String,
    /// It has answered once: user, password and name are right.
    has_answered: Arc<AtomicBool>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.shown).finish()
    }
}

/// A value of a statement with its type.
pub type Value<'a> = (&'a (dyn ToSql + Sync), Type);

impl Database {
    /// The database of an address such as `postgres://user@host/name`. Nothing is connected yet.
    ///
    /// # Errors
    /// The address is none of PostgreSQL, or the system's certificates cannot be read.
    pub fn new(address: &str) -> Result<Self, QueueError> {
        let refused = |why: String| {
            QueueError::Refused(format!(
                "the queue's address is not understood: {why}; give one like postgres://USER@HOST/DATABASE"
            ))
        };
        let mut config: Config = address.parse().map_err(|error: tokio_postgres::Error| refused(words(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(refused("it names no host".to_owned()));
        }
        config.connect_timeout(CONNECT).keepalives(true).keepalives_idle(Duration::from_secs(15));
        config.keepalives_interval(Duration::from_secs(5)).keepalives_retries(3).tcp_user_timeout(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("plimsoll");
        }
        let tls = crate::host::tls::client().map_err(|error| QueueError::Refused(format!("there is no TLS: {error}")))?;
        let tls = MakeRustlsConnect::new(tls);
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), tls.clone(), manager);
        let timeouts = Timeouts { wait: Some(STATEMENT), create: Some(CONNECT), recycle: Some(CONNECT) };
        // The plan of a claim over a long queue looks dear enough to be compiled, which takes ten times as long as the claim.
        let quick = Hook::async_fn(|connection: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { connection.batch_execute("SET jit = off").await.map_err(HookError::Backend) })
        });
        let pool =
            Pool::builder(manager).max_size(CONNECTIONS).timeouts(timeouts).runtime(Runtime::Tokio1).post_create(quick).build();
        let pool = pool.map_err(|error| refused(error.to_string()))?;
        Ok(Self { pool, shown: shown(&config), config, tls, has_answered: Arc::default() })
    }

    /// Where it is, without a password.
    pub fn address(&self) -> &str {
        &self.shown
    }

    /// The rows that a statement gives.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub async fn rows(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>, QueueError> {
        let connection = self.connection().await?;
        let answer = connection.query_typed(statement, values);
        match tokio::time::timeout(STATEMENT, answer).await {
            Ok(Ok(rows)) => {
                self.has_answered.store(true, Ordering::Relaxed);
                Ok(rows)
            }
            Ok(Err(error)) => {
                let failed = self.error(&error);
                if is_read_only(&error) {
                    // These lead to a server that is no primary any more; the address may lead to another one by now.
                    drop(Object::take(connection));
                    self.pool.retain(|_, _| false);
                }
                Err(failed)
            }
            Err(_) => {
                // What still runs over there must not answer whoever gets this connection next.
                drop(Object::take(connection));
                Err(self.away(format!("no answer within {} s", STATEMENT.as_secs())))
            }
        }
    }

    /// The only row that a statement gives, if it gives one.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub async fn row(&self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>, QueueError> {
        Ok(self.rows(statement, values).await?.into_iter().next())
    }

    /// Runs statements in one transaction, none of which has values.
    ///
    /// # Errors
    /// See [`QueueError`]; then none of them was done.
    pub async fn script(&self, statements: &str) -> Result<(), QueueError> {
        let connection = self.connection().await?;
        let script = format!("BEGIN; {statements}; COMMIT");
        let done = connection.batch_execute(&script).await.map_err(|error| self.error(&error));
        if done.is_err() {
            let _ = connection.batch_execute("ROLLBACK").await;
        }
        done
    }

    /// The server's version, such as 15 for 15.18.
    ///
    /// # Errors
    /// It is too old, or see [`QueueError`].
    pub async fn version(&self) -> Result<u32, QueueError> {
        let row = self.row("SELECT current_setting('server_version_num')::int", &[]).await?;
        let version = row.map_or(0, |row| row.get::<_, i32>(0)) as u32 / 10_000;
        if version < OLDEST {
            return Err(QueueError::Refused(format!(
                "the server at {} is PostgreSQL {version}; {OLDEST} or later is needed",
                self.shown
            )));
        }
        Ok(version)
    }

    /// Says whenever the queue has changed, on a connection of its own, until the receiver is dropped. Lost words are no harm:
    /// whoever listens also looks by itself from time to time.
    pub fn listen(&self) -> watch::Receiver<Notifications> {
        let (changed, changes) = watch::channel(Notifications::default());
        let (config, tls) = (self.config.clone(), self.tls.clone());
        tokio::spawn(async move {
            while !changed.is_closed() {
                if let Ok((client, connection)) = config.connect(tls.clone()).await {
                    tokio::select! {
                        () = listen_until_cut(client, connection, &changed) => {}
                        () = changed.closed() => return,
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        changes
    }

    async fn connection(&self) -> Result<Object, QueueError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => self.error(&error),
            PoolError::Timeout(_) => self.away("no connection in time".to_owned()),
            error => self.away(error.to_string()),
        })
    }

    fn away(&self, why: String) -> QueueError {
        QueueError::Away { at: self.shown.clone(), why }
    }

    /// What the server refuses stays refused; everything else may pass.
    fn error(&self, error: &tokio_postgres::Error) -> QueueError {
        let Some(state) = error.code() else { return self.away(words(error)) };
        let at = &self.shown;
        if is_read_only(error) {
            let advice = "name the primary, or all servers with target_session_attrs=read-write";
            return self.away(format!("this server is a standby by now, or may only be read; {advice} ({})", words(error)));
        }
        // While one server takes the place of another, or is filled anew, a database that was there may refuse its users or be missing.
        if self.has_answered.load(Ordering::Relaxed) && ["28", "3D"].iter().any(|class| state.code().starts_with(class)) {
            return self.away(words(error));
        }
        let known = [
            (SqlState::UNDEFINED_TABLE, "there is no fleet in this database; `plimsoll fleet init` makes one"),
            (SqlState::INVALID_SCHEMA_NAME, "there is no fleet in this database; `plimsoll fleet init` makes one"),
            (SqlState::UNDEFINED_FUNCTION, "there is no fleet in this database; `plimsoll fleet init` makes one"),
            (SqlState::INVALID_PASSWORD, "the password is wrong; correct it in PLIMSOLL_QUEUE"),
            (SqlState::INVALID_CATALOG_NAME, "there is no such database; create it, or correct the address"),
            (SqlState::INSUFFICIENT_PRIVILEGE, "this user may not do that; ask the owner of the database for the right"),
        ];
        if let Some((_, what)) = known.iter().find(|(known, _)| known == state) {
            return QueueError::Refused(format!("{at}: {what} ({})", words(error)));
        }
        // Of the classes 08 (connection), 40 (rolled back), 53 (out of resources), 55 and 57 (somebody stepped in) each may pass.
        if ["08", "40", "53", "55", "57", "58"].iter().any(|class| state.code().starts_with(class)) {
            return self.away(words(error));
        }
        QueueError::Refused(format!("{at}: {}", words(error)))
    }
}

/// How many notifications have come of each kind, since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notifications {
    /// Jobs wait that did not, or that nobody was told of.
    pub jobs: u64,
    /// Somebody wants something of the workers: a job is to be cancelled, a box drained.
    pub orders: u64,
    /// Jobs have ended.
    pub ends: u64,
}

/// Listens until the connection is cut.
async fn listen_until_cut<S, T>(client: Client, mut connection: Connection<S, T>, changed: &watch::Sender<Notifications>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let listening = async {
        if client.batch_execute("LISTEN plimsoll").await.is_err() {
            // A standby does not. It is tried again by a new connection, which may lead elsewhere.
            return;
        }
        // What was said before is not heard.
        changed.send_modify(|notifications| {
            (notifications.jobs, notifications.orders) = (notifications.jobs + 1, notifications.orders + 1);
        });
        std::future::pending::<()>().await;
    };
    let driving = async {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            let AsyncMessage::Notification(word) = message else { continue };
            changed.send_modify(|notifications| match word.payload() {
                "queued" => notifications.jobs += 1,
                "ended" => notifications.ends += 1,
                _ => notifications.orders += 1,
            });
        }
    };
    tokio::select! {
        () = listening => {}
        () = driving => {}
    }
}

/// The server takes no writes: a standby, or a primary that has become one.
fn is_read_only(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// The address as it may be shown.
fn shown(config: &Config) -> String {
    let host = config.get_hosts().first().map_or_else(String::new, |host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    format!("{host}/{}", config.get_dbname().or(config.get_user()).unwrap_or("postgres"))
}

/// The server's own words where it has said something, else the whole chain.
fn words(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;

    if let Some(told) = error.as_db_error() {
        let hint = told.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        return format!("{}{hint}", told.message());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
