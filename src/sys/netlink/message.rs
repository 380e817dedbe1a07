//! Netlink messages as bytes: built into a fixed buffer, taken apart without copying. Pure.
//!
//! Numbers are in the machine's own order, addresses are octets as they go over the wire: nothing here is ever swapped,
//! which is what makes it right on either endianness. Every length is checked, so a cut message is short, never a panic.

use libc::c_int;

/// The size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The attribute of an acknowledgement that holds the kernel's text (`NLMSGERR_ATTR_MSG`, linux/netlink.h, 4.12+).
const ACK_TEXT: u16 = 1;
/// A batch's buffer in bytes.
const CAPACITY: usize = 2048;

fn aligned(length: usize) -> usize {
    (length + 3) & !3
}

/// Messages one after the other, sent by one system call.
#[derive(Default)]
pub struct Batch {
    bytes: heapless::Vec<u8, CAPACITY>,
    /// Where the message under way begins.
    start: usize,
    /// Something did not fit: what is there must not be sent.
    full: bool,
}

/// An attribute that holds attributes, begun and not yet ended.
pub struct Nest(usize);

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a message. `fixed` is the structure that follows the header.
    pub fn begin(&mut self, kind: u16, flags: c_int, sequence: u32, fixed: &[u8]) {
        self.start = self.bytes.len();
        self.put(&[0; 4]);
        self.put(&kind.to_ne_bytes());
        self.put(&(flags as u16).to_ne_bytes());
        self.put(&sequence.to_ne_bytes());
        // The sender's port: the kernel fills in the socket's own.
        self.put(&[0; 4]);
        self.put(fixed);
        self.pad();
    }

    /// Ends the message that `begin` began.
    pub fn end(&mut self) {
        let length = (self.bytes.len() - self.start) as u32;
        self.patch(self.start, &length.to_ne_bytes());
    }

    /// An attribute of any bytes.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.put(&((value.len() + 4) as u16).to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(value);
        self.pad();
    }

    /// An attribute that is a number.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_ne_bytes());
    }

    /// An attribute that is text, with its NUL.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.put(&((value.len() + 5) as u16).to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(value.as_bytes());
        self.put(&[0]);
        self.pad();
    }

    /// Begins an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16) -> Nest {
        let start = self.bytes.len();
        self.attribute(kind, &[]);
        Nest(start)
    }

    /// A structure, where an attribute holds one before its attributes.
    pub fn raw(&mut self, structure: &[u8]) {
        self.put(structure);
        self.pad();
    }

    /// Ends it.
    pub fn end_nest(&mut self, nest: Nest) {
        let length = (self.bytes.len() - nest.0) as u16;
        self.patch(nest.0, &length.to_ne_bytes());
    }

    /// What is to be sent; `None` when it did not fit.
    pub fn bytes(&self) -> Option<&[u8]> {
        if self.full { None } else { Some(&self.bytes) }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.full |= self.bytes.extend_from_slice(bytes).is_err();
    }

    fn pad(&mut self) {
        let missing = aligned(self.bytes.len()) - self.bytes.len();
        self.put([0; 3].get(..missing).unwrap_or(&[]));
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        match self.bytes.get_mut(at..at + value.len()) {
            Some(place) => place.copy_from_slice(value),
            None => self.full = true,
        }
    }
}

/// One message of a datagram.
pub struct Message<'a> {
    /// `RTM_…` or `NLMSG_…`.
    pub kind: u16,
    /// `NLM_F_…`.
    pub flags: u16,
    /// The request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The messages of a datagram, in order; it ends at the first that is cut.
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = number_at(self.0, 0)? as usize;
        let body = self.0.get(HEADER..length)?;
        let message = Message {
            kind: short_at(self.0, 4)?,
            flags: short_at(self.0, 6)?,
            sequence: number_at(self.0, 8)?,
            body,
        };
        self.0 = self.0.get(aligned(length)..).unwrap_or(&[]);
        Some(message)
    }
}

/// Attributes in order, with the flag bits taken off their kinds; it ends at the first that is cut.
#[derive(Clone)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// Those that follow a message's fixed structure of this many bytes.
    pub fn after(body: &'a [u8], fixed: usize) -> Self {
        Self(body.get(aligned(fixed)..).unwrap_or(&[]))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(short_at(self.0, 0)?);
        let kind = short_at(self.0, 2)? & libc::NLA_TYPE_MASK as u16;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

/// The number of two bytes at `at`.
pub fn short_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number of four bytes at `at`.
pub fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Text up to its NUL; empty where it is no UTF-8.
pub fn text_of(value: &[u8]) -> &str {
    let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    value.get(..end).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
}

/// What an acknowledgement (`NLMSG_ERROR`, or the `NLMSG_DONE` of a dump) says: the errno, 0 for none, and the kernel's
/// own text, empty where it gives none.
pub fn acknowledged<'a>(message: &Message<'a>) -> (i32, &'a str) {
    let errno = number_at(message.body, 0).map_or(0, |number| (number as i32).wrapping_neg());
    if message.kind != libc::NLMSG_ERROR as u16 || message.flags & libc::NLM_F_ACK_TLVS as u16 == 0 {
        return (errno, "");
    }
    // struct nlmsgerr: the error, then the request's header; its body follows unless NLM_F_CAPPED says it was left out.
    let mut before = 4 + HEADER;
    if message.flags & libc::NLM_F_CAPPED as u16 == 0 {
        let request = number_at(message.body, 4).map_or(0, |length| length as usize);
        before += request.saturating_sub(HEADER);
    }
    let text = Attributes::after(message.body, before).find(|(kind, _)| *kind == ACK_TEXT);
    (errno, text.map_or("", |(_, value)| text_of(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes are expected from either endianness's table: what a C program of that machine would send.
    fn expected(little: &'static [u8], big: &'static [u8]) -> &'static [u8] {
        if cfg!(target_endian = "little") { little } else { big }
    }

    fn example() -> Batch {
        let mut batch = Batch::new();
        batch.begin(libc::RTM_NEWLINK, libc::NLM_F_REQUEST | libc::NLM_F_ACK, 0x01020304, &[7; 3]);
        batch.text(libc::IFLA_IFNAME, "br0");
        batch.number(libc::IFLA_MTU, 0x0a0b0c0d);
        let nest = batch.nest(libc::IFLA_LINKINFO);
        batch.text(libc::IFLA_INFO_KIND, "bridge");
        batch.end_nest(nest);
        batch.end();
        batch
    }

    #[test]
    fn a_message_is_what_the_machine_would_write() {
        let little = &[
            52, 0, 0, 0, 16, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0, 7, 7, 7,
            0, // header and structure, padded
            8, 0, 3, 0, b'b', b'r', b'0', 0, // IFLA_IFNAME
            8, 0, 4, 0, 0x0d, 0x0c, 0x0b, 0x0a, // IFLA_MTU
            16, 0, 18, 0, 11, 0, 1, 0, b'b', b'r', b'i', b'd', b'g', b'e', 0, 0,
        ];
        let big = &[
            0, 0, 0, 52, 0, 16, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0, 7, 7, 7, 0, //
            0, 8, 0, 3, b'b', b'r', b'0', 0, //
            0, 8, 0, 4, 0x0a, 0x0b, 0x0c, 0x0d, //
            0, 16, 0, 18, 0, 11, 0, 1, b'b', b'r', b'i', b'd', b'g', b'e', 0, 0,
        ];
        assert_eq!(example().bytes().unwrap(), expected(little, big));
    }

    #[test]
    fn what_is_built_is_taken_apart_again() {
        let mut batch = example();
        batch.begin(libc::RTM_DELLINK, libc::NLM_F_REQUEST, 9, &[]);
        batch.end();
        let mut messages = Messages(batch.bytes().unwrap());
        let first = messages.next().unwrap();
        assert_eq!((first.kind, first.flags, first.sequence), (libc::RTM_NEWLINK, 5, 0x01020304));
        let attributes: Vec<_> = Attributes::after(first.body, 3).collect();
        assert_eq!(attributes[0], (libc::IFLA_IFNAME, &b"br0\0"[..]));
        assert_eq!(number_at(attributes[1].1, 0), Some(0x0a0b0c0d));
        assert_eq!(Attributes(attributes[2].1).next(), Some((libc::IFLA_INFO_KIND, &b"bridge\0"[..])));
        let second = messages.next().unwrap();
        assert_eq!((second.kind, second.sequence, second.body), (libc::RTM_DELLINK, 9, &[][..]));
        assert!(messages.next().is_none());
    }

    #[test]
    fn a_cut_message_is_short_not_a_panic() {
        let batch = example();
        let whole = batch.bytes().unwrap();
        for end in 0..whole.len() {
            assert!(Messages(&whole[..end]).next().is_none(), "{end}");
            Attributes(&whole[..end]).for_each(drop);
        }
        // Lengths that are too small to move on, or larger than what is there.
        for length in [0u32, 3, 15, 61, u32::MAX] {
            let mut bytes = whole.to_vec();
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(Messages(&bytes).next().is_none_or(|message| message.body.is_empty()), "{length}");
        }
        assert!(Attributes(&[0, 0, 0, 0]).next().is_none());
        assert!(Attributes(&[0xff; 8]).next().is_none());
    }

    #[test]
    fn flag_bits_are_no_part_of_a_kind() {
        let bytes = expected(&[4, 0, 18, 0x80], &[0, 4, 0x80, 18]);
        assert_eq!(Attributes(bytes).next(), Some((libc::IFLA_LINKINFO, &[][..])));
    }

    #[test]
    fn a_batch_that_does_not_fit_is_not_sent() {
        let mut batch = Batch::new();
        for sequence in 0..200 {
            batch.begin(libc::RTM_NEWADDR, 0, sequence, &[0; 8]);
            batch.number(1, 1);
            batch.end();
        }
        assert!(batch.bytes().is_none());
    }

    /// An acknowledgement of a request of `request` bytes, with or without the request's body in it.
    fn ack(errno: i32, request: &[u8], capped: bool, text: &str) -> Vec<u8> {
        let mut body = (-errno).to_ne_bytes().to_vec();
        body.extend_from_slice(&request[..if capped { HEADER } else { request.len() }]);
        let mut flags = if capped { libc::NLM_F_CAPPED } else { 0 };
        let mut batch = Batch::new();
        if !text.is_empty() {
            flags |= libc::NLM_F_ACK_TLVS;
        }
        batch.begin(libc::NLMSG_ERROR as u16, flags, 1, &body);
        if !text.is_empty() {
            batch.number(2, 36); // NLMSGERR_ATTR_OFFS comes first
            batch.text(ACK_TEXT, text);
        }
        batch.end();
        batch.bytes().unwrap().to_vec()
    }

    #[test]
    fn the_kernels_text_is_found_behind_a_whole_and_a_capped_request() {
        let batch = example();
        let request = batch.bytes().unwrap();
        for capped in [true, false] {
            for text in ["mtu greater than device maximum", ""] {
                let bytes = ack(libc::EINVAL, request, capped, text);
                let message = Messages(&bytes).next().unwrap();
                assert_eq!(acknowledged(&message), (libc::EINVAL, text), "{capped}");
                let cut = Message { body: &message.body[..6], ..message };
                assert_eq!(acknowledged(&cut), (libc::EINVAL, ""));
            }
        }
        let bytes = ack(0, request, true, "");
        assert_eq!(acknowledged(&Messages(&bytes).next().unwrap()), (0, ""));
    }
}
