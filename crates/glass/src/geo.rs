//! Places on Earth: how documents have them, and how far they are from each other.

use crate::error::Result;
use crate::values::Values;

/// Metres: the radius of the sphere with the mean of the Earth's squared radii, which Xapian uses too.
const RADIUS: f64 = 6_372_797.6;
/// Where there is no query, what is that many metres away weighs half.
const HALF_WEIGHT: f64 = 1000.0;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// From -90 (south) to 90.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

impl Place {
    /// Metres along a great circle.
    pub fn distance(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
        let across = half(self.longitude.to_radians(), other.longitude.to_radians());
        let square = half(a, b) + a.cos() * b.cos() * across;
        2.0 * RADIUS * square.clamp(0.0, 1.0).sqrt().asin()
    }

    /// Unpacks a value of two to six bytes. Latitude (from the south pole) and longitude are both in
    /// degrees, minutes, seconds and sixteenths of a second; each byte refines both, and bytes that would
    /// be zero are left out at the end.
    fn unpack(value: &[u8]) -> Option<Self> {
        let degrees = u32::from(u16::from_be_bytes(*value.first_chunk()?));
        let byte = |at: usize| u32::from(value.get(at).copied().unwrap_or(0));
        let (minutes4, fine, seconds, parts) = (byte(2), byte(3), byte(4), byte(5));
        let angle = |degrees: u32, minutes4: u32, fine: u32, seconds: u32, parts: u32| {
            let minutes = minutes4 * 4 + (fine >> 2);
            let seconds = (fine & 3) * 15 + seconds;
            f64::from(((degrees * 60 + minutes) * 60 + seconds) * 16 + parts) / (3600.0 * 16.0)
        };
        let (lat_fine, lon_fine) = ((fine >> 6) << 2 | (fine >> 2) & 3, ((fine >> 4) & 3) << 2 | fine & 3);
        let latitude = angle(degrees % 181, minutes4 >> 4, lat_fine, seconds >> 4, parts >> 4);
        let longitude = angle(degrees / 181, minutes4 & 15, lon_fine, seconds & 15, parts & 15);
        Some(Self { latitude: latitude - 90.0, longitude })
    }
}

/// The places around a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circle {
    pub(crate) centre: Place,
    pub(crate) radius: f64,
}

impl Circle {
    /// The weight of a document by how near it is; `None` if it is outside, or nowhere.
    pub(crate) fn weigh(&self, docid: u32, values: &mut Values) -> Result<Option<f64>> {
        // Two bytes that are missing are not the south pole.
        let place = Some(values.get(docid)?).filter(|value| value.len() >= 2).and_then(Place::unpack);
        let distance = place.map(|place| self.centre.distance(place));
        Ok(distance.filter(|distance| *distance <= self.radius).map(|metres| HALF_WEIGHT / (metres + HALF_WEIGHT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_unpacked_as_xapian_packs_them() {
        let cases: [(&[u8], f64, f64); 7] = [
            (&[0x0e, 0x88, 0, 0, 0, 0], 10.0, 20.0),
            (&[0x01, 0xf4, 0xc4, 0xd6, 0xea, 0xe3], 48.8583, 2.2945),
            (&[0x6a, 0xfb, 0x23, 0x0b, 0x5a, 0x81], -33.8568, 151.2153),
            (&[0x00, 0x5a], 0.0, 0.0),
            (&[0x00, 0xb4], 90.0, 0.0),
            (&[0xfe, 0x60, 0x7d, 0x82, 0x21, 0x87], 51.5007, 359.8754),
            (&[0xfe, 0x39, 0x5e, 0x3b, 0xee, 0x7f], 12.345_678, 359.999_99),
        ];
        for (value, latitude, longitude) in cases {
            let place = Place::unpack(value).unwrap();
            // A sixteenth of a second of an arc.
            let near = |a: f64, b: f64| (a - b).abs() < 1.0 / 3600.0 / 16.0;
            assert!(near(place.latitude, latitude) && near(place.longitude, longitude), "{place:?}");
        }
        assert_eq!(Place::unpack(&[1]), None);
    }

    #[test]
    fn distances_are_those_of_xapian() {
        let eiffel = Place { latitude: 48.8583, longitude: 2.2945 };
        let big_ben = Place { latitude: 51.5007, longitude: -0.1246 };
        assert!((eiffel.distance(big_ben) - 340_644.688_902_012_3).abs() < 1e-6);
        assert_eq!(eiffel.distance(eiffel), 0.0);
    }
}
