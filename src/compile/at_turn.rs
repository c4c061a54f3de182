//! Where the text of a node comes from.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::catalogue::Catalogue;
use super::dbt::{Asked, Dbt, Made};
use crate::artifacts::UniqueId;
use crate::warehouse::{FaultClass, Session};

/// Where texts come from: the manifest, or dbt at a node's turn.
#[async_trait]
pub trait Texts: Send + Sync {
    /// Whether a node's text is made at its turn, when all that it reads is in place.
    fn is_made_at_turn(&self, id: &UniqueId) -> bool;

    /// The text of such a node.
    async fn make(&self, id: &UniqueId) -> Result<String, NoText>;
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoText {
    /// May be published.
    pub message: String,
    /// For the terminal only.
    pub detail: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// What it is a fault of, where it says nothing about the node: dbt is gone, or the warehouse.
    pub fault: Option<FaultClass>,
}

/// All texts are in the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Given;

#[async_trait]
impl Texts for Given {
    fn is_made_at_turn(&self, _: &UniqueId) -> bool {
        false
    }

    async fn make(&self, _: &UniqueId) -> Result<String, NoText> {
        let message = "the manifest has no compiled SQL for it".to_owned();
        Err(NoText { message, detail: None, remedy: None, fault: None })
    }
}

/// dbt gives the texts that ask the warehouse, each at its turn; the others are in the manifest.
#[derive(Debug)]
pub struct AtTurn {
    late: BTreeSet<UniqueId>,
    /// One text at a time: dbt makes no two at once.
    making: Mutex<Making>,
}

/// Those whose macros asked the warehouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Askers {
    /// All of them.
    pub all: BTreeSet<UniqueId>,
    /// Those that asked for more of its catalog than can be shown as dbt would see it: in the profile's target dbt would
    /// have had another answer.
    pub not_answered_as_dbt: BTreeSet<UniqueId>,
}

#[derive(Debug)]
struct Making {
    dbt: Dbt,
    session: Session,
    catalogue: Catalogue,
    askers: Askers,
    /// Whether a text was given up in the middle, so that what dbt says next is not about the next.
    broken: bool,
}

impl AtTurn {
    /// `late`: those whose text is made at their turn. `session`: where their macros' queries are read, of the relations
    /// in `catalogue`.
    #[must_use]
    pub fn new(dbt: Dbt, late: BTreeSet<UniqueId>, session: Session, catalogue: Catalogue) -> Self {
        let making = Making { dbt, session, catalogue, askers: Askers::default(), broken: false };
        Self { late, making: Mutex::new(making) }
    }

    /// dbt, when all is over, and whose macros asked.
    #[must_use]
    pub fn end(self) -> (Dbt, Askers) {
        let Making { dbt, askers, .. } = self.making.into_inner();
        (dbt, askers)
    }
}

#[async_trait]
impl Texts for AtTurn {
    fn is_made_at_turn(&self, id: &UniqueId) -> bool {
        self.late.contains(id)
    }

    async fn make(&self, id: &UniqueId) -> Result<String, NoText> {
        let mut making = self.making.lock().await;
        let Making { dbt, session, catalogue, askers, broken } = &mut *making;
        if std::mem::replace(broken, true) {
            let message = "dbt was gone before it made the text".to_owned();
            return Err(NoText { message, detail: None, remedy: None, fault: Some(FaultClass::Connection) });
        }
        let mut asked = Asked::default();
        let made = dbt.text(id, session, catalogue, &mut asked).await;
        if asked.anything {
            askers.all.insert(id.clone());
        }
        if asked.more_catalogue {
            askers.not_answered_as_dbt.insert(id.clone());
        }
        let no_text = |message: String, detail: Option<String>, remedy: Option<String>| NoText {
            message,
            detail,
            remedy,
            fault: None,
        };
        match made {
            Ok(made) => {
                *broken = false;
                match made {
                    Made::Text(text) => Ok(text),
                    Made::Refused(rule) => {
                        let message = format!("a macro wants what premerge does not do while it compiles: {rule}");
                        Err(no_text(message, None, None))
                    }
                    // dbt hands them over, so this says nothing about the node.
                    Made::NoValues(kind) => Err(NoText {
                        fault: Some(FaultClass::Unsupported),
                        ..no_text(
                            format!("a macro asks for values of the type {kind}, which premerge does not hand over"),
                            None,
                            None,
                        )
                    }),
                    Made::Failed(words) => Err(no_text("dbt could not compile it".to_owned(), Some(words), None)),
                    Made::Unanswered(error) => Err(NoText {
                        fault: Some(error.class),
                        ..no_text(error.class.phrase().to_owned(), Some(error.message), error.remedy)
                    }),
                    Made::Asks => Err(no_text("dbt could not ask the warehouse".to_owned(), None, None)),
                }
            }
            Err(error) => {
                let fault = if error.timed_out { FaultClass::Timeout } else { FaultClass::Connection };
                Err(NoText { fault: Some(fault), ..no_text(error.message, error.said, Some(error.remedy)) })
            }
        }
    }
}
