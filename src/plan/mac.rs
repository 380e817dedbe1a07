//! The address of a NIC that was given none: the same on every start and after every reboot, so that switches, DHCP
//! servers and neighbours know the container again; another one on every board.

/// FNV-1a, 64 bits (Fowler, Noll, Vo): defined byte by byte, so it is one value on every machine and in every version.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A locally administered unicast address from the uplink's own address (`Link::lasting_mac`), the container's name
/// and the NIC's number. Hashed are: the six bytes (zeros where there is no such address), the name, a zero byte, the
/// number as four bytes, the highest first; the lower six bytes of the hash are the address, with the local bit set and
/// the group bit cleared in the first. Two NICs of one container differ in the number alone, which FNV-1a hashes last:
/// the lower bytes of the result then always differ.
pub fn stable(uplink_permanent: Option<[u8; 6]>, container: &str, nic: usize) -> [u8; 6] {
    let mut hash = fnv1a(0xcbf2_9ce4_8422_2325, &uplink_permanent.unwrap_or_default());
    hash = fnv1a(hash, container.as_bytes());
    hash = fnv1a(hash, &[0]);
    hash = fnv1a(hash, &(nic as u32).to_be_bytes());
    let [_, _, a, b, c, d, e, f] = hash.to_be_bytes();
    [a & 0xfc | 0x02, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPLINK: Option<[u8; 6]> = Some([0x00, 0x04, 0x9f, 0x01, 0x02, 0x03]);

    #[test]
    fn the_hash_is_the_published_one() {
        // Vectors of the FNV reference code.
        assert_eq!(fnv1a(0xcbf2_9ce4_8422_2325, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(0xcbf2_9ce4_8422_2325, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(0xcbf2_9ce4_8422_2325, b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn pinned_for_ever() {
        // Changing these gives every container in the field another address.
        assert_eq!(stable(UPLINK, "foo23", 0), [0xd6, 0xad, 0x0c, 0x6c, 0xf3, 0x8f]);
        assert_eq!(stable(UPLINK, "foo23", 1), [0xd6, 0xad, 0x0c, 0x6c, 0xf1, 0xdc]);
        assert_eq!(stable(None, "foo23", 0), [0x8a, 0x37, 0xd9, 0x1b, 0x0e, 0xa4]);
    }

    #[test]
    fn local_unicast_and_all_different() {
        let mut seen = std::collections::HashSet::new();
        for container in 0..500 {
            for nic in 0..8 {
                let mac = stable(UPLINK, &format!("c{container}"), nic);
                assert_eq!(mac[0] & 0x03, 0x02);
                assert!(seen.insert(mac), "c{container} {nic}");
            }
        }
        assert_ne!(stable(UPLINK, "a", 0), stable(Some([0, 4, 0x9f, 1, 2, 4]), "a", 0));
    }
}
