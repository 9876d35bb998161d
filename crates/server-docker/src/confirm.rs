//! The person confirms what is destroyed, before it is.
//!
//! A caller that can be asked is asked (`elicitation/create`), naming what will go. One that cannot be asked is
//! refused, with a token that is good for one second call which would destroy exactly the same. The question's
//! key and the token are bound to what will go: if that changed meanwhile, it is asked again.

use crate::dock::Dock;
use crate::fault::Fault;
use crate::settings::Safety;
use mcp::{Call, Error, Method, Raw};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What would be destroyed.
pub(crate) struct Doom<'a> {
    pub(crate) tool: &'a str,
    /// In what way, as `remove 3 containers`.
    pub(crate) what: String,
    /// Each thing, for people.
    pub(crate) things: Vec<String>,
    /// What else decides what is done, such as `force`.
    pub(crate) options: String,
}

/// The things that a question names; the rest are counted.
const NAMED: usize = 20;
const GOOD_FOR: Duration = Duration::from_secs(300);
/// Tokens that are open at once, and those of one caller.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 50;

impl Doom<'_> {
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        // Engines list the same things in another order.
        let mut things: Vec<_> = self.things.iter().map(String::as_str).collect();
        things.sort_unstable();
        for part in [self.tool, &self.what, &self.options].into_iter().chain(things) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }

    fn told(&self) -> String {
        let mut text = format!("{} will {}:", self.tool, self.what);
        for thing in self.things.iter().take(NAMED) {
            text.push_str("\n- ");
            text.push_str(thing);
        }
        let more = self.things.len().saturating_sub(NAMED);
        if more > 0 {
            text.push_str(&format!("\n- and {more} more"));
        }
        if !self.options.is_empty() {
            text.push_str(&format!("\n({})", self.options));
        }
        text
    }
}

/// Arguments of everything that destroys.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Consent {
    /// Only tell what would be removed
    #[serde(default)]
    dry_run: bool,
    /// What a refusal for want of consent gave
    confirm_token: Option<String>,
}

/// What a dry run tells; empty in the result of what was done.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct DryRun {
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_remove: Option<Vec<String>>,
}

impl Consent {
    pub(crate) const fn is_dry(&self) -> bool {
        self.dry_run
    }

    /// Returns nothing if it is to be done now, and what there is to tell if it was only asked what would be.
    pub(crate) async fn given(&self, dock: &Dock, call: &Call, doom: Doom<'_>) -> Result<Option<DryRun>, Fault> {
        if self.dry_run {
            return Ok(Some(DryRun { dry_run: Some(true), would_remove: Some(doom.things) }));
        }
        if !doom.things.is_empty() {
            agreed(dock.safety(), &dock.tickets, call, &doom, self.confirm_token.as_deref()).await?;
        }
        Ok(None)
    }
}

/// Returns if the person agrees, or if nobody has to.
async fn agreed(
    safety: &Safety,
    tickets: &Tickets,
    call: &Call,
    doom: &Doom<'_>,
    token: Option<&str>,
) -> Result<(), Fault> {
    call.note("target", &doom.things.join("; "));
    if !safety.confirm {
        return Ok(());
    }
    let digest = doom.digest();
    if let Some(token) = token {
        return if tickets.take(&call.caller().principal, token, &digest) {
            call.note("decision", "confirmed");
            Ok(())
        } else {
            Err(Fault::refused(
                "this confirm_token is not good: it is good once, for five minutes, for who got it, and for exactly \
                 what was named; call without it for a new one.",
            ))
        };
    }
    let params = json!({
        "mode": "form",
        "message": format!("{}\nThis cannot be undone.", doom.told()),
        "requestedSchema": {
            "type": "object",
            "properties": { "confirm": { "type": "boolean", "title": "Do it", "default": false } },
            "required": ["confirm"],
        },
    });
    call.note("decision", "asked");
    match call.ask(&format!("confirm-{digest}"), Method::Elicit, Raw::of(&params)).await {
        Ok(answer) => {
            let accepted = answer.get_text("action").is_some_and(|action| action == "accept");
            let confirmed = answer.get("content").and_then(|c| c.get("confirm")).is_some_and(|c| c.is_true());
            if accepted && confirmed {
                call.note("decision", "confirmed");
                return Ok(());
            }
            call.note("decision", "declined");
            Err(Fault::new("the person did not confirm, so nothing was done. Do not try again unless they ask for it."))
        }
        Err(Error::MissingCapability(_)) => {
            let token = tickets.give(&call.caller().principal, &digest)?;
            Err(Fault::new(format!(
                "{}\nNothing was done yet: this needs a person's consent, and this client cannot ask for it. Show this \
                 to the person; if they agree, call again with the same arguments and confirm_token={token:?} (good \
                 once, for five minutes).",
                doom.told()
            )))
        }
        Err(error) => Err(error.into()),
    }
}

/// Tokens that were given out.
#[derive(Default)]
pub(crate) struct Tickets(Mutex<HashMap<String, Ticket>>);

struct Ticket {
    owner: Arc<str>,
    digest: String,
    until: Instant,
}

impl Tickets {
    fn give(&self, owner: &Arc<str>, digest: &str) -> Result<String, Fault> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, ticket| ticket.until > now);
        // Who asks the same again has the same token.
        let same = all.iter_mut().find(|(_, ticket)| ticket.owner == *owner && ticket.digest == digest);
        if let Some((token, ticket)) = same {
            ticket.until = now + GOOD_FOR;
            return Ok(token.clone());
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Fault::new("no token can be made, so nothing was done."))?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if all.len() >= MOST || all.values().filter(|ticket| ticket.owner == *owner).count() >= MOST_OF_ONE {
            return Err(Fault::new("too many confirmations are open, so nothing was done; try again in five minutes."));
        }
        let ticket = Ticket { owner: Arc::clone(owner), digest: digest.to_owned(), until: now + GOOD_FOR };
        all.insert(token.clone(), ticket);
        Ok(token)
    }

    /// Uses a token up.
    fn take(&self, owner: &Arc<str>, token: &str, digest: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else's try must not use it up.
        if all.get(token.trim()).is_none_or(|ticket| ticket.owner != *owner) {
            return false;
        }
        all.remove(token.trim()).is_some_and(|ticket| ticket.digest == digest && ticket.until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_for_its_owner_and_for_exactly_what_was_named() {
        let tickets = Tickets::default();
        let (me, you): (Arc<str>, Arc<str>) = ("me".into(), "you".into());
        let token = tickets.give(&me, "one").unwrap();
        assert!(!tickets.take(&you, &token, "one"));
        assert!(tickets.take(&me, &token, "one") && !tickets.take(&me, &token, "one"));
        let token = tickets.give(&me, "one").unwrap();
        assert!(!tickets.take(&me, &token, "two") && !tickets.take(&me, &token, "one"));
        let first = tickets.give(&me, "0").unwrap();
        for n in 0..MOST_OF_ONE {
            tickets.give(&me, &n.to_string()).unwrap();
        }
        assert!(tickets.give(&me, "x").is_err() && tickets.give(&you, "x").is_ok(), "each has a share");
        assert_eq!(tickets.give(&me, "0").unwrap(), first, "one that was not used is given again");
        assert!(tickets.take(&me, &first, "0") && tickets.give(&me, "x").is_ok());
    }

    #[test]
    fn other_things_or_options_are_another_question() {
        let doom = |things: &[&str], options: &str| {
            let things = things.iter().map(|t| (*t).to_owned()).collect();
            Doom { tool: "t", what: "remove".into(), things, options: options.into() }.digest()
        };
        assert_eq!(doom(&["a", "b"], ""), doom(&["a", "b"], ""));
        assert_eq!(doom(&["a", "b"], ""), doom(&["b", "a"], ""), "engines list them in any order");
        assert_ne!(doom(&["a", "b"], ""), doom(&["ab"], ""));
        assert_ne!(doom(&["a"], ""), doom(&["a"], "force"));
    }
}
