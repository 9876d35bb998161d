//! The methods of the protocol.

use std::fmt;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a request or a notification asks for.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// A method that no revision defines.
            Other(Box<str>),
        }

        impl Method {
            /// The method of that name.
            pub fn parse(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    other => Self::Other(other.into()),
                }
            }

            /// Its name on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }
        }
    };
}

methods! {
    /// Opens a legacy session.
    Initialize = "initialize",
    /// Legacy keep-alive, in both directions.
    Ping = "ping",
    /// What a modern server offers.
    Discover = "server/discover",
    /// Lists tools.
    ToolsList = "tools/list",
    /// Calls a tool.
    ToolsCall = "tools/call",
    /// Lists prompts.
    PromptsList = "prompts/list",
    /// Renders a prompt.
    PromptsGet = "prompts/get",
    /// Lists resources.
    ResourcesList = "resources/list",
    /// Lists resource templates.
    TemplatesList = "resources/templates/list",
    /// Reads a resource.
    ResourcesRead = "resources/read",
    /// Legacy: asks for notifications about one resource.
    ResourcesSubscribe = "resources/subscribe",
    /// Legacy: ends [`Method::ResourcesSubscribe`].
    ResourcesUnsubscribe = "resources/unsubscribe",
    /// Completes an argument of a prompt or of a resource template.
    Complete = "completion/complete",
    /// Legacy: sets the level of log notifications of the session.
    SetLevel = "logging/setLevel",
    /// Modern: a stream of changes.
    Listen = "subscriptions/listen",
    /// A server asks the client's model.
    CreateMessage = "sampling/createMessage",
    /// A server asks the person.
    Elicit = "elicitation/create",
    /// A server asks for the client's roots.
    RootsList = "roots/list",
    /// The legacy client is ready.
    Initialized = "notifications/initialized",
    /// A request is no longer wanted.
    Cancelled = "notifications/cancelled",
    /// How far a request is.
    Progress = "notifications/progress",
    /// A log line for the client.
    Log = "notifications/message",
    /// The list of tools changed.
    ToolsChanged = "notifications/tools/list_changed",
    /// The list of prompts changed.
    PromptsChanged = "notifications/prompts/list_changed",
    /// The list of resources changed.
    ResourcesChanged = "notifications/resources/list_changed",
    /// A resource changed.
    ResourceUpdated = "notifications/resources/updated",
    /// The client's roots changed.
    RootsChanged = "notifications/roots/list_changed",
    /// An elicitation at a web address is done.
    ElicitationComplete = "notifications/elicitation/complete",
    /// First message of a [`Method::Listen`] stream.
    Acknowledged = "notifications/subscriptions/acknowledged",
}

impl Method {
    /// Whether it asks for what a server offers.
    pub const fn is_list(&self) -> bool {
        matches!(self, Self::ToolsList | Self::PromptsList | Self::ResourcesList | Self::TemplatesList)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
