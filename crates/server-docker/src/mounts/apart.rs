//! No mount lies inside what another container can write.
//!
//! Who can write in a folder can put a link in the place of what is in it. The engine follows it when it mounts
//! that, also when it starts a container by itself.
//!
//! One folder has several paths: through links, and where it is mounted twice. So what is compared is how a path is
//! written, where it leads, and which folders are really around it.

use super::resolved;
use crate::fault::Fault;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A folder of the host that a container has, or that a volume stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// As it is written.
    source: PathBuf,
    writable: bool,
    /// Where that leads, if it is somewhere else.
    leads: Option<PathBuf>,
    at: Option<Identity>,
    /// The folders that it lies in.
    around: Vec<Identity>,
}

/// Device and number of a file: the same on each path to it.
type Identity = (u64, u64);

impl Mount {
    pub(crate) fn new(source: PathBuf, writable: bool) -> Self {
        Self { source, writable, leads: None, at: None, around: Vec::new() }
    }

    /// The same, compared also by what is there now. Reads the disk.
    pub(crate) fn looked_up(self) -> Self {
        let leads = resolved(&self.source).filter(|leads| *leads != self.source);
        let found = Self { at: identity(&self.source), leads, ..self };
        let above = found.paths().flat_map(|path| path.ancestors().skip(1));
        let around = above.filter_map(identity).collect();
        Self { around, ..found }
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.source).chain(&self.leads)
    }

    fn lies_in(&self, outer: &Self) -> bool {
        let by_path = |path: &PathBuf| outer.paths().any(|outer| path != outer && path.starts_with(outer));
        let by_identity = outer.at.is_some_and(|outer| self.at != Some(outer) && self.around.contains(&outer));
        by_identity || self.paths().any(by_path)
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let found = path.metadata().ok()?;
    Some((found.dev(), found.ino()))
}

/// Refuses mounts that lie inside one that can be written, and ones that can be written with another inside.
/// `mine` are those of one container, which must not lie in each other either; `named` says what the operator allows
/// letter by letter.
pub(crate) fn check(mine: &[Mount], others: &[Mount], named: impl Fn(&PathBuf) -> bool) -> Result<(), Fault> {
    let inside = |inner: &Mount, outer: &Mount| outer.writable && inner.lies_in(outer) && !inner.paths().any(&named);
    for one in mine {
        for other in mine.iter().chain(others) {
            if inside(one, other) || inside(other, one) {
                let (inner, outer) = if inside(one, other) { (one, other) } else { (other, one) };
                let leads = outer.leads.as_ref();
                let leads = leads.map(|leads| format!(" (which is {:?})", leads.display().to_string()));
                return Err(Fault::refused(format!(
                    "{:?} cannot be mounted beside {:?}{}, which a container can write and could make a link of it; \
                     mount the outer one read-only, or only one of them. The operator can allow the inner one by its \
                     exact name with SAFETY_VOLUME_MOUNT_ALLOWLIST (mount_allow).",
                    inner.source.display().to_string(),
                    outer.source.display().to_string(),
                    leads.unwrap_or_default(),
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
        let mount = |source: &str, writable| Mount::new(source.into(), writable);
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

    #[test]
    fn links_in_what_another_container_has_lead_to_what_it_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        std::fs::create_dir_all(at("real/x/deep")).unwrap();
        std::fs::create_dir(at("beside")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        std::os::unix::fs::symlink("real/x", at("to-x")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        let one = |name: &str, writable| Mount::new(at(name), writable).looked_up();
        let refused = |mine: Mount, theirs: Mount| check(&[mine], &[theirs], |_| false).is_err();
        for (inner, outer) in [
            ("real/x", "link"),
            ("real/x/deep", "link"),
            ("real/x/deep", "link/x"),
            ("real/x/deep", "to-x"),
            ("to-x", "real"),
            ("link/x", "real"),
            ("real/x/missing", "to-x"),
            ("dangling/x", "dangling"),
        ] {
            assert!(refused(one(inner, false), one(outer, true)), "{inner} in {outer}");
            assert!(refused(one(outer, true), one(inner, false)), "{inner} in {outer}");
            assert!(!refused(one(inner, true), one(outer, false)), "{outer} cannot be written");
        }
        for (mine, theirs) in [("real", "link"), ("real/x", "to-x"), ("beside", "link"), ("real/x", "dangling")] {
            assert!(!refused(one(mine, true), one(theirs, true)), "{mine} beside {theirs}");
        }
        // How it is written counts although it leads elsewhere.
        assert!(refused(one("real/x", true), Mount::new(at("real/x/y"), true)));
        assert!(check(&[one("real/x", true)], &[one("link", true)], |path| *path == at("real/x")).is_ok());
        assert!(check(&[one("real", true)], &[one("to-x", true)], |path| *path == at("to-x")).is_ok());
    }

    #[test]
    fn a_folder_is_the_same_on_a_path_that_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("real/x")).unwrap();
        // As with a folder that is mounted a second time, which takes rights that a test need not have: another path,
        // no link, and the same device and number.
        let again = Mount { source: "/again".into(), ..Mount::new(base.join("real"), true).looked_up() };
        let inner = Mount::new(base.join("real/x"), false).looked_up();
        let same = Mount::new(base.join("real"), false).looked_up();
        assert!(check(std::slice::from_ref(&inner), std::slice::from_ref(&again), |_| false).is_err());
        assert!(check(std::slice::from_ref(&again), &[inner], |_| false).is_err());
        assert!(check(&[same], &[again], |_| false).is_ok(), "the place of a mount itself");
    }
}
