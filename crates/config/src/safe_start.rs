//! Whether it is safe to listen where the settings say.
//!
//! | listens on | tokens | `auth.insecure` | `sse` | |
//! |---|---|---|---|---|
//! | loopback alone | any | any | any | fine |
//! | anything else | some | any | any | fine |
//! | anything else | none | false | any | refused |
//! | anything else | none | true | false | fine, with a warning |
//! | anything else | none | true | true | refused |
//!
//! A proxy in front changes nothing: whoever reaches us past it is asked for nothing. A name counts
//! as loopback only if all it resolves to is; `localhost`, too.

use crate::error::{ConfigError, Place, Warning};
use crate::settings::{Settings, Words};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

impl Settings {
    /// Whether it is safe to listen on `listen`. Resolves its name, so it may block. What is odd but
    /// no reason to refuse is returned.
    pub fn check_safe_start(&self) -> Result<Vec<Warning>, ConfigError> {
        let host = self.listen.host.as_str();
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => {
                (host, self.listen.port).to_socket_addrs().map(|all| all.map(|a| a.ip()).collect()).unwrap_or_default()
            }
        };
        self.check_safe_bind(&addresses)
    }

    /// Whether it is safe to listen on these addresses, which `listen` resolved to. None at all count
    /// as public. For a caller that binds exactly what was checked.
    pub fn check_safe_bind(&self, addresses: &[IpAddr]) -> Result<Vec<Warning>, ConfigError> {
        let mut warnings = Vec::new();
        let private = !addresses.is_empty() && addresses.iter().all(|address| address.to_canonical().is_loopback());
        if private {
            return Ok(warnings);
        }
        let odd_localhost = self.listen.host.eq_ignore_ascii_case("localhost");
        let oddity = "localhost is not this machine alone here (see the hosts file), so it counts as public";
        if odd_localhost {
            warnings.push(self.warning(format!("{oddity}; write 127.0.0.1 instead")));
        }
        if !self.auth.tokens.is_empty() {
            return Ok(warnings);
        }
        let reach = if odd_localhost {
            format!("{oddity}, and")
        } else {
            format!("other machines can reach {}, and", self.listen)
        };
        let local = format!("listen on 127.0.0.1:{}", self.listen.port);
        let Words { token, insecure } = self.source.words;
        if self.sse {
            return Err(self.refusal(format!(
                "{reach} legacy HTTP+SSE (\"sse\") needs a token there in any case; {token}, do without it, or {local}"
            )));
        }
        if !self.auth.insecure {
            return Err(self.refusal(format!(
                "{reach} nobody is asked who they are; {token}, {local}, or {insecure} if nobody but an \
                 authenticating proxy can reach this address"
            )));
        }
        warnings.push(self.warning(format!("{reach} nobody is asked who they are, as it was told")));
        Ok(warnings)
    }

    fn refusal(&self, message: String) -> ConfigError {
        ConfigError::new(self.listen_place(), message)
    }

    fn warning(&self, message: String) -> Warning {
        Warning { place: self.listen_place(), message }
    }

    fn listen_place(&self) -> Place {
        Place { origin: Arc::clone(&self.source.origin), line: self.source.listen_line, key: "listen".to_owned() }
    }
}
