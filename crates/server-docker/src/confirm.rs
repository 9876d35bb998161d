//! The person confirms what is destroyed, before it is.
//!
//! A caller that can be asked is asked (`elicitation/create`), naming what will go. One that cannot be asked is
//! refused, with a token that is good for one second call which would destroy exactly the same. The question's
//! key and the token are bound to what will go: if that changed meanwhile, it is asked again.

use crate::fault::Fault;
use crate::settings::Safety;
use mcp::{Call, Error, Method, Raw};
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
const MOST: usize = 1000;

impl Doom<'_> {
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.tool, &self.what, &self.options].into_iter().chain(self.things.iter().map(String::as_str)) {
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

/// Returns if the person agrees, or if nobody has to.
pub(crate) async fn agreed(
    safety: &Safety,
    tickets: &Tickets,
    call: &Call,
    doom: &Doom<'_>,
    token: Option<&str>,
) -> Result<(), Fault> {
    if !safety.confirm {
        return Ok(());
    }
    let digest = doom.digest();
    if let Some(token) = token {
        return if tickets.take(&call.caller().principal, token, &digest) {
            Ok(())
        } else {
            Err(Fault::new(
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
    match call.ask(&format!("confirm-{digest}"), Method::Elicit, Raw::of(&params)).await {
        Ok(answer) => {
            let accepted = answer.get_text("action").is_some_and(|action| action == "accept");
            let confirmed = answer.get("content").and_then(|c| c.get("confirm")).is_some_and(|c| c.is_true());
            if accepted && confirmed {
                return Ok(());
            }
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
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Fault::new("no token can be made, so nothing was done."))?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, ticket| ticket.until > now);
        if all.len() >= MOST {
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
        for _ in 0..MOST {
            let _ = tickets.give(&me, "x");
        }
        assert!(tickets.give(&me, "x").is_err());
    }

    #[test]
    fn other_things_or_options_are_another_question() {
        let doom = |things: &[&str], options: &str| {
            let things = things.iter().map(|t| (*t).to_owned()).collect();
            Doom { tool: "t", what: "remove".into(), things, options: options.into() }.digest()
        };
        assert_eq!(doom(&["a", "b"], ""), doom(&["a", "b"], ""));
        assert_ne!(doom(&["a", "b"], ""), doom(&["ab"], ""));
        assert_ne!(doom(&["a"], ""), doom(&["a"], "force"));
    }
}
