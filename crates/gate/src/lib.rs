//! The one door between callers and servers.
//!
//! Before a request is read, a front asks for the limits of its address ([`Gate::arrives`]) and for who
//! it is ([`Gate::admit`]). Then it holds a [`Guarded`], whose way to a server is [`Guarded::pass`]; its
//! order stands on one screen in `pass.rs`: an audit slot, policy, limits per principal and tool, the
//! deadline, the server, and the record, which is sent from `Drop`. What a server says on the way
//! comes back through [`Run::next`], changes through [`Guarded::watch`].

mod audit;
mod catalogue;
mod exchange;
mod gate;
mod glob;
mod held;
mod identity;
mod joint;
mod limits;
mod metrics;
mod offer;
mod pass;
mod policy;
mod record;
mod registry;
mod route;
mod run;
mod watch;

pub use audit::{Audit, AuditError, AuditSettings, BadAudit, Verified, verify};
pub use catalogue::{Catalogue, ListEntry, ToolEntry, ToolRules};
pub use exchange::{Asking, Exchange, Front};
pub use gate::{Gate, Guarded, LimitSettings, Refusal, Settings};
pub use identity::{Place, Principal, TokenHash, TokenSettings, basic_password, bearer};
pub use joint::name as joint_name;
pub use limits::{Rate, household};
pub use metrics::Metrics;
pub use offer::Offer;
pub use policy::{BadRule, RoleSettings};
pub use registry::ServerSettings;
pub use route::Destination;
pub use run::{Event, Reply, Run};
pub use watch::{Watch, notification};
