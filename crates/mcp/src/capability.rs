//! What a client says it can be asked.

use crate::method::Method;
use crate::raw::{Kind, Raw};

/// A client's capabilities: raw, with the parts that decide something read.
#[derive(Clone, Debug)]
pub struct Capabilities {
    raw: Raw,
    sampling: bool,
    elicitation: bool,
    roots: bool,
}

/// The most bytes of capabilities that are kept; what is larger is cut down to the parts that we
/// know.
const MAX_RAW: usize = 2048;

impl Capabilities {
    /// Of a client that cannot be asked anything.
    pub const fn none() -> Self {
        Self { raw: Raw::empty_object(), sampling: false, elicitation: false, roots: false }
    }

    /// Reads `capabilities` of `initialize` or `clientCapabilities` of `_meta`.
    pub fn read(raw: &Raw) -> Result<Self, String> {
        if raw.kind() != Kind::Object {
            return Err("the client capabilities must be an object".into());
        }
        let has = |name| raw.get(name).is_some_and(|v| v.kind() == Kind::Object);
        let mut read =
            Self { raw: raw.copied(), sampling: has("sampling"), elicitation: has("elicitation"), roots: has("roots") };
        if raw.len() > MAX_RAW {
            let known: Vec<_> = ["sampling", "elicitation", "roots"]
                .into_iter()
                .filter(|n| has(n))
                .map(|n| (n, Raw::empty_object()))
                .collect();
            read.raw = Raw::object(known.iter().map(|(n, v)| (*n, v)));
        }
        Ok(read)
    }

    /// As they were declared.
    pub const fn raw(&self) -> &Raw {
        &self.raw
    }

    /// Whether the client can be asked anything at all.
    pub const fn any(&self) -> bool {
        self.sampling || self.elicitation || self.roots
    }

    /// Whether the client can answer this request of a server.
    pub const fn allows(&self, method: &Method) -> bool {
        match method {
            Method::CreateMessage => self.sampling,
            Method::Elicit => self.elicitation,
            Method::RootsList => self.roots,
            _ => false,
        }
    }

    /// What would have to be declared for this request of a server, as in `requiredCapabilities`.
    pub fn required_for(method: &Method) -> Raw {
        let name = match method {
            Method::CreateMessage => "sampling",
            Method::Elicit => "elicitation",
            _ => "roots",
        };
        Raw::object([(name, &Raw::empty_object())])
    }
}
