//! How often: token buckets. Decisions are local and synchronous; a store of several replicas is
//! to reconcile them in the background.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much may be used, and how fast it comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Units a second.
    pub per_second: f64,
    /// Units that may be used at once.
    pub burst: f64,
}

/// What counts as one address: of IPv6 the first 64 bits, since whoever has one of these addresses
/// has all of them (RFC 6177).
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

/// A bucket for each key, the number of keys bounded.
#[derive(Debug)]
pub(crate) struct Buckets<K>(Mutex<HashMap<K, Bucket>>);

#[derive(Debug)]
struct Bucket {
    units: f64,
    at: Instant,
}

/// How many keys are remembered. Forgetting one that is full again loses nothing.
const MOST: usize = 10_000;

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Takes units for a key; if there are not enough, says when there will be. A cost above the
    /// burst takes the whole bucket: it is dear, not impossible.
    pub(crate) fn take(&self, key: K, rate: Rate, cost: f64, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            buckets.retain(|_, b| b.units_at(rate, now) < rate.burst);
            if buckets.len() >= MOST {
                // Under attack from more keys than that: who is new waits for a whole unit.
                return Err(Duration::from_secs_f64(1.0 / rate.per_second.max(0.001)));
            }
        }
        let bucket = buckets.entry(key).or_insert(Bucket { units: rate.burst, at: now });
        let units = bucket.units_at(rate, now);
        let cost = cost.min(rate.burst);
        if units >= cost {
            *bucket = Bucket { units: units - cost, at: now };
            Ok(())
        } else {
            Err(Duration::from_secs_f64((cost - units) / rate.per_second.max(0.001)))
        }
    }
}

impl Bucket {
    fn units_at(&self, rate: Rate, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        passed.mul_add(rate.per_second, self.units).min(rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let rate = Rate { per_second: 10.0, burst: 2.0 };
        let (buckets, start) = (Buckets::default(), Instant::now());
        assert!(buckets.take("a", rate, 1.0, start).is_ok());
        assert!(buckets.take("a", rate, 1.0, start).is_ok());
        let wait = buckets.take("a", rate, 1.0, start).unwrap_err();
        assert!((wait.as_secs_f64() - 0.1).abs() < 0.001);
        assert!(buckets.take("b", rate, 1.0, start).is_ok());
        assert!(buckets.take("a", rate, 1.0, start + Duration::from_millis(110)).is_ok());
        assert!(buckets.take("c", rate, 50.0, start).is_ok(), "a dear call needs a full bucket");
        assert!(buckets.take("c", rate, 50.0, start + Duration::from_millis(110)).is_err());
    }

    #[test]
    fn addresses_of_one_household_share_their_limits() {
        let of = |address: &str| household(address.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(
            (of("::ffff:10.0.0.1"), of("10.0.0.1"), of("::1")),
            ("10.0.0.1".into(), "10.0.0.1".into(), "::1".into())
        );
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let rate = Rate { per_second: 1.0, burst: 2.0 };
        let (buckets, start) = (Buckets::default(), Instant::now());
        for key in 0..MOST {
            assert!(buckets.take(key, rate, 1.0, start).is_ok());
        }
        assert!(buckets.take(MOST, rate, 1.0, start).is_err());
        assert!(buckets.take(MOST, rate, 1.0, start + Duration::from_secs(2)).is_ok(), "full ones are forgotten");
    }
}
