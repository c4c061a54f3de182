//! Proxy views made so that production is not kept waiting.
//!
//! To make a view is to lock what it reads, until the transaction ends, and to wait for whoever changes it. So each
//! view has a transaction of its own, several of them go in one message, and none waits long: what a lock was not to be
//! had for is tried again later, while production goes on.

use super::greeting::Access;
use super::moves::Moves;
use super::session::{PgSession, guard_sql};
use super::statement::render;
use crate::warehouse::engine::Under;
use crate::warehouse::retry::{ATTEMPTS, pause};
use crate::warehouse::{Repeat, WarehouseError, Write};

/// Views made in one round trip.
const AT_ONCE: usize = 50;

impl PgSession {
    /// Makes all of them, in order; the number of statements sent.
    pub(super) async fn make_proxies(
        &mut self,
        proxies: &[&Write<'_>],
        under: Under<'_>,
    ) -> Result<u64, WarehouseError> {
        let mut statements = 0;
        for some in proxies.chunks(AT_ONCE) {
            let (mut left, mut attempt) = (some.to_vec(), 1);
            while let Err(error) = self.send_proxies(&left, under).await {
                statements += 1;
                // A broken connection is looked into from outside.
                let is_safe = matches!(error.repeat, Repeat::Safe | Repeat::Waits);
                if !is_safe || attempt >= ATTEMPTS {
                    let tried = if is_safe { Repeat::Never } else { error.repeat };
                    return Err(error.with_repeat(tried));
                }
                pause(attempt).await;
                attempt += 1;
                let mut missing = Vec::new();
                for proxy in left {
                    if self.look_for(std::slice::from_ref(proxy), under).await?.is_none() {
                        missing.push(proxy);
                    }
                }
                left = missing;
            }
            statements += some.len() as u64;
        }
        Ok(statements)
    }

    /// One message, in which each view is a transaction; what stands behind one that fails is not carried out.
    async fn send_proxies(&mut self, proxies: &[&Write<'_>], under: Under<'_>) -> Result<(), WarehouseError> {
        if proxies.is_empty() {
            return Ok(());
        }
        let (guard, opening) = (guard_sql(under), self.server.opening(Access::Write));
        let dialect = self.dialect();
        let limit = self.server.brief().map(|limit| format!("{limit};\n")).unwrap_or_default();
        let mut sql = String::new();
        for proxy in proxies {
            let statements = match self.moves(proxy, under).await? {
                None => render(proxy, dialect).statements,
                Some(Moves { incoming, before, after }) => {
                    let made = render(&proxy.made_at(&incoming), dialect).statements;
                    before.into_iter().chain(made).chain(after).collect()
                }
            };
            sql.push_str(&format!("begin;\n{opening}{limit}{guard}{};\ncommit;\n", statements.join(";\n")));
        }
        let answer = self.simple(&sql).await.map(|_| ());
        self.after(answer).await
    }
}
