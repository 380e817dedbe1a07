//! Cpu lists (`0-3,5`).

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The highest cpu number a profile may name.
pub const MAX_CPU: u16 = 1023;

/// A cpu list in the kernel's list format, normalised: ascending ranges that neither overlap nor touch, cpus 0..=1023.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CpuList(Vec<(u16, u16)>);

impl CpuList {
    /// The ranges, first and last cpu of each.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// The highest cpu of the list; `None` for an empty one.
    pub fn highest(&self) -> Option<u16> {
        self.0.last().map(|range| range.1)
    }

    /// The cpus that are not in the other list.
    pub fn without(&self, other: &CpuList) -> CpuList {
        let mut left = self.0.clone();
        for &(first, last) in &other.0 {
            let keep = |&(from, to): &(u16, u16)| {
                let before = (from < first).then(|| (from, to.min(first.saturating_sub(1))));
                let after = (to > last).then(|| (from.max(last.saturating_add(1)), to));
                [before, after].into_iter().flatten()
            };
            left = left.iter().flat_map(keep).collect();
        }
        CpuList(left)
    }

    /// An error that names the first cpu a board with `cpus` cpus does not have.
    pub fn within(&self, cpus: u32) -> Result<()> {
        match self.0.iter().find(|range| u32::from(range.1) >= cpus) {
            None => Ok(()),
            Some(&(first, _)) => {
                let missing = u32::from(first).max(cpus);
                Err(Error::config(format!("cpu list \"{self}\": there is no cpu {missing}"))
                    .hint(format!("the board has {cpus} cpus, numbered from 0")))
            }
        }
    }
}

impl FromStr for CpuList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut column = 1;
        let mut ranges = Vec::new();
        for part in text.trim_end_matches('\n').split(',') {
            let wrong = |why: &str| {
                let (list, part) = (text.escape_default(), part.escape_default());
                Error::config(format!("cpu list \"{list}\": \"{part}\" at its character {column} {why}"))
                    .hint("cpus and ranges joined by commas, as in 0-3,5")
            };
            let cpu = |number: &str| {
                if number.is_empty() || !number.bytes().all(|c| c.is_ascii_digit()) {
                    return Err(wrong("is not a cpu or a range of cpus"));
                }
                match number.parse::<u16>() {
                    Ok(cpu) if cpu <= MAX_CPU => Ok(cpu),
                    _ => Err(wrong("is above the highest cpu, 1023")),
                }
            };
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (cpu(first)?, cpu(last)?);
            if last < first {
                return Err(wrong("ends before it begins"));
            }
            ranges.push((first, last));
            column += part.chars().count() + 1;
        }
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.0 <= last.1 + 1 => last.1 = last.1.max(range.1),
                _ => merged.push(range),
            }
        }
        Ok(Self(merged))
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for &(first, last) in &self.0 {
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        text.parse::<CpuList>().map_or_else(|error| error.to_string(), |list| list.to_string())
    }

    #[test]
    fn what_another_list_has_is_taken_away() {
        let without = |list: &str, other: &str| {
            list.parse::<CpuList>().unwrap().without(&other.parse().unwrap()).to_string()
        };
        assert_eq!(without("0-7", "2-3,7"), "0-1,4-6");
        assert_eq!(without("0,2,4", "2"), "0,4");
        assert_eq!(without("2-3", "0-7"), "");
        assert_eq!(without("0-3", "5"), "0-3");
        assert_eq!(without("0-1023", "0,1023"), "1-1022");
    }

    #[test]
    fn a_list_is_normalised() {
        assert_eq!(read("0,1"), "0-1");
        assert_eq!(read("5,0-3,2-4\n"), "0-5");
        assert_eq!(read("7,0"), "0,7");
    }

    #[test]
    fn the_bad_part_is_named_with_its_place() {
        assert!(read("0,1-x").starts_with("cpu list \"0,1-x\": \"1-x\" at its character 3 is not a cpu"));
        assert!(read("").contains("is not a cpu"));
        assert!(read("0,,1").contains("\"\" at its character 3"));
        assert!(read("3-1").contains("ends before it begins"));
        assert!(read("0,1024").contains("is above the highest cpu"));
        assert!(read("-1").contains("is not a cpu"));
    }

    #[test]
    fn a_cpu_the_board_lacks_is_named() {
        let list: CpuList = "0-1,7-9".parse().unwrap();
        assert!(list.within(10).is_ok());
        assert!(list.within(8).unwrap_err().to_string().contains("there is no cpu 8"));
        assert_eq!(list.highest(), Some(9));
    }
}
