//! Who is let in: a type's own limits of rate and backlog, and the room that all types share, of which bulk types get the
//! least and critical ones all.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bellwether_schema::events::{EventLimits, Priority};

/// Seconds of a type's rate that may be used at once.
const BURST: f64 = 1.0;

/// A type's own limits.
pub struct Admission {
    limits: EventLimits,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    events: f64,
    bytes: f64,
    filled: Instant,
}

impl Admission {
    pub fn new(limits: EventLimits) -> Admission {
        let events = limits.events_per_second.map_or(f64::INFINITY, |rate| f64::from(rate) * BURST);
        let bytes = limits.bytes_per_second.map_or(f64::INFINITY, |rate| rate as f64 * BURST);
        Admission { limits, bucket: Mutex::new(Bucket { events, bytes, filled: Instant::now() }) }
    }

    /// Takes events of so many bytes, or says after how long to come again. A burst larger than a second's worth is let
    /// in whole when the bucket is full, and paid for afterwards.
    pub fn take(&self, events: usize, bytes: usize, backlog: u64) -> Result<(), Duration> {
        if self.limits.backlog_bytes.is_some_and(|most| backlog + bytes as u64 > most) {
            return Err(Duration::from_secs(5));
        }
        let rates = (
            self.limits.events_per_second.map(f64::from),
            self.limits.bytes_per_second.map(|rate| rate as f64),
        );
        if rates == (None, None) {
            return Ok(());
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.duration_since(bucket.filled).as_secs_f64();
        bucket.filled = now;
        let fill = |level: f64, rate: Option<f64>| {
            rate.map_or(level, |rate| (level + passed * rate).min(rate * BURST))
        };
        bucket.events = fill(bucket.events, rates.0);
        bucket.bytes = fill(bucket.bytes, rates.1);
        let lacks = |level: f64, wanted: f64, rate: Option<f64>| {
            let wanted = rate.map_or(0.0, |rate| wanted.min(rate * BURST));
            rate.map_or(0.0, |rate| (wanted - level).max(0.0) / rate)
        };
        let wait =
            lacks(bucket.events, events as f64, rates.0).max(lacks(bucket.bytes, bytes as f64, rates.1));
        if wait > 0.0 {
            return Err(Duration::from_secs_f64(wait));
        }
        bucket.events -= events as f64;
        bucket.bytes -= bytes as f64;
        Ok(())
    }
}

/// Bytes of all requests that are being taken in.
pub struct Room {
    taken: AtomicU64,
    most: u64,
}

/// Some of the room, given back when dropped.
pub struct Share<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Room {
    pub fn new(most: u64) -> Room {
        Room { taken: AtomicU64::new(0), most }
    }

    /// Room for so many bytes, if a type of this priority may still have it.
    pub fn share(&self, priority: Priority, bytes: u64) -> Option<Share<'_>> {
        let part = match priority {
            Priority::Critical => self.most,
            Priority::Normal => self.most / 4 * 3,
            Priority::Bulk => self.most / 2,
        };
        let before = self.taken.fetch_add(bytes, Ordering::AcqRel);
        let share = Share { room: self, bytes };
        // A request that is larger than the room gets in when it is alone.
        (before == 0 || before + bytes <= part).then_some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_and_the_wait_is_told() {
        let limits = EventLimits { events_per_second: Some(100), ..EventLimits::default() };
        let admission = Admission::new(limits);
        assert!(admission.take(100, 1, 0).is_ok());
        let wait = admission.take(50, 1, 0).expect_err("the second is used up");
        assert!(wait > Duration::from_millis(300) && wait <= Duration::from_millis(500), "{wait:?}");
        let limits = EventLimits { backlog_bytes: Some(10), ..EventLimits::default() };
        assert!(Admission::new(limits).take(1, 5, 6).is_err());
    }

    #[test]
    fn bulk_is_turned_away_first_and_critical_last() {
        let room = Room::new(100);
        let _held = room.share(Priority::Critical, 45).expect("room");
        assert!(room.share(Priority::Bulk, 10).is_none());
        let _more = room.share(Priority::Normal, 25).expect("room");
        assert!(room.share(Priority::Normal, 10).is_none());
        assert!(room.share(Priority::Critical, 30).is_some());
    }
}
