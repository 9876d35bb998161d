//! A request before anybody is let in: what its address and its path say.

use super::address::client_address;
use super::guard::{self, Refused};
use super::respond::{Refusal, Surface};
use super::{Place, Settings, rest};
use gate::Front;
use http::Request;
use std::net::IpAddr;

/// What is known of a request before anybody is let in.
pub(super) struct Visit<'a> {
    pub(super) settings: &'a Settings,
    pub(super) address: IpAddr,
    pub(super) path: String,
    /// Nothing, if the path leads nowhere.
    pub(super) place: Option<Place>,
    /// What a refusal looks like.
    pub(super) surface: Surface,
}

impl<'a> Visit<'a> {
    pub(super) fn of<B>(request: &Request<B>, peer: IpAddr, settings: &'a Settings) -> Self {
        let path = request.uri().path().to_owned();
        let place = Place::of(&path, settings);
        // Where REST is served, an address that leads nowhere is a tool that is not there.
        let surface = match place {
            Some(Place::Rest(_)) => Surface::Rest,
            None if settings.rest.is_some() => Surface::Rest,
            _ => Surface::Mcp,
        };
        let address = client_address(peer, request.headers(), &settings.trusted_proxies);
        Self { settings, address, path, place, surface }
    }

    pub(super) fn front(&self) -> Front {
        if self.surface == Surface::Rest { Front::Rest } else { Front::Http }
    }

    /// Whether this is REST, and REST is served so.
    pub(super) fn allows(&self, what: impl FnOnce(&rest::Settings) -> bool) -> bool {
        self.surface == Surface::Rest && self.settings.rest.as_ref().is_some_and(what)
    }

    /// Any page may call.
    pub(super) fn any_origin(&self) -> bool {
        self.allows(|rest| rest.any_origin)
    }

    /// Whether it is served to whoever asks.
    pub(super) fn is_public(&self) -> bool {
        match (&self.place, &self.settings.rest) {
            (Some(Place::Rest(place)), Some(rest)) => place.is_public(rest),
            _ => false,
        }
    }

    /// Host and Origin.
    pub(super) fn check_names<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let (guard, headers) = (&self.settings.guard, request.headers());
        let any_host = self.allows(|rest| rest.any_host);
        if !any_host {
            let authority = request.uri().authority().map(http::uri::Authority::as_str);
            guard.check_host(headers, authority).map_err(|refused| self.misnamed(refused))?;
        }
        // Where any host may be named, a page of that very host is no stranger.
        if self.any_origin() || any_host && guard::is_same_origin(headers) {
            return Ok(());
        }
        guard.check_origin(headers).map_err(|refused| self.misnamed(refused))
    }

    fn misnamed(&self, refused: Refused) -> Refusal {
        match refused {
            Refused::Host(host) => {
                tracing::warn!(client = %self.address, "Invalid Host header: {host} (setting `allowed_hosts`)");
                Refusal::Host
            }
            Refused::Origin => Refusal::Origin,
        }
    }
}
