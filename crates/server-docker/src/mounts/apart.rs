//! No mount lies inside what another container can write.
//!
//! Who can write in a folder can put a link in the place of what is in it. The engine follows it when it mounts
//! that, also when it starts a container by itself.

use crate::fault::Fault;
use std::path::PathBuf;

/// A folder of the host that a container has, or that a volume stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    pub(crate) writable: bool,
}

/// Refuses mounts that lie inside one that can be written, and ones that can be written with another inside.
/// `mine` are those of one container, which must not lie in each other either; `named` says what the operator allows
/// letter by letter.
pub(crate) fn check(mine: &[Mount], others: &[Mount], named: impl Fn(&PathBuf) -> bool) -> Result<(), Fault> {
    let inside = |inner: &Mount, outer: &Mount| {
        outer.writable
            && inner.source != outer.source
            && inner.source.starts_with(&outer.source)
            && !named(&inner.source)
    };
    for one in mine {
        for other in mine.iter().chain(others) {
            if inside(one, other) || inside(other, one) {
                let (inner, outer) = if inside(one, other) { (one, other) } else { (other, one) };
                return Err(Fault::refused(format!(
                    "{:?} cannot be mounted beside {:?}, which a container can write and could make a link of it; mount \
                     the outer one read-only, or only one of them. The operator can allow the inner one by its exact \
                     name with SAFETY_VOLUME_MOUNT_ALLOWLIST (mount_allow).",
                    inner.source.display().to_string(),
                    outer.source.display().to_string(),
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_can_write_has_no_other_mount_inside() {
        let mount = |source: &str, writable| Mount { source: source.into(), writable };
        let (outer, inner) = (mount("/srv/p", true), mount("/srv/p/x", false));
        let never = |_: &PathBuf| false;
        let both = [outer.clone(), inner.clone()];
        let (outer, inner) = (std::slice::from_ref(&outer), std::slice::from_ref(&inner));
        assert!(check(inner, outer, never).is_err() && check(outer, inner, never).is_err());
        assert!(check(&both, &[], never).is_err());
        assert!(check(inner, outer, |path| path == &PathBuf::from("/srv/p/x")).is_ok());
        assert!(check(outer, outer, never).is_ok(), "the place of a mount itself cannot be changed from inside");
        assert!(check(inner, &[mount("/srv/p", false)], never).is_ok());
        assert!(check(&[mount("/srv/pq", true)], outer, never).is_ok());
    }
}
