//! Reading what is committed.
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    sqlx::{Postgres, Sqlite},
};
use sea_orm_migration::async_trait;

use super::{
    Connection,
    hand::{Hand, Held, told},
};
use crate::fault::Answer;

/// Connections to read with, each statement on one of its own.
#[derive(Clone)]
pub struct Reader(Inner);

#[derive(Clone)]
enum Inner {
    Postgres(Hand<Postgres>),
    Sqlite(Hand<Sqlite>),
}

impl Reader {
    pub(super) fn postgres(hand: Hand<Postgres>) -> Self {
        Self(Inner::Postgres(hand))
    }

    pub(super) fn sqlite(hand: Hand<Sqlite>) -> Self {
        Self(Inner::Sqlite(hand))
    }

    pub(super) async fn view(&self) -> Answer<Connection> {
        Ok(match &self.0 {
            Inner::Postgres(hand) => Connection::postgres(
                Held::begin(hand, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
            Inner::Sqlite(hand) => Connection::sqlite(Held::begin(hand, "BEGIN").await?),
        })
    }

    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        match &self.0 {
            Inner::Postgres(hand) => hand.take().await.map_err(told)?.ping().await,
            Inner::Sqlite(hand) => hand.take().await.map_err(told)?.ping().await,
        }
    }

    pub(super) async fn close(&self) {
        match &self.0 {
            Inner::Postgres(hand) => hand.close().await,
            Inner::Sqlite(hand) => hand.close().await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Inner::Postgres(_) => DbBackend::Postgres,
            Inner::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Inner::Postgres(hand) => hand.take().await.map_err(told)?.execute(statement).await,
            Inner::Sqlite(hand) => hand.take().await.map_err(told)?.execute(statement).await,
        }
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Inner::Postgres(hand) => hand.take().await.map_err(told)?.unprepared(text).await,
            Inner::Sqlite(hand) => hand.take().await.map_err(told)?.unprepared(text).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Inner::Postgres(hand) => hand.take().await.map_err(told)?.one(statement).await,
            Inner::Sqlite(hand) => hand.take().await.map_err(told)?.one(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Inner::Postgres(hand) => hand.take().await.map_err(told)?.all(statement).await,
            Inner::Sqlite(hand) => hand.take().await.map_err(told)?.all(statement).await,
        }
    }
}
