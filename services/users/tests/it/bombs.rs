//! Pictures of a few bytes that take as long to decode as their format allows. Those of PNG are in `pictures` and `avatar`.

/// Bits, the least significant one first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    written: usize,
}

impl Bits {
    fn push(&mut self, value: u32, bits: usize) {
        for bit in 0..bits {
            if self.written.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let set = u8::from(value >> bit & 1 == 1);
            *self.bytes.last_mut().unwrap() |= set << (self.written % 8);
            self.written += 1;
        }
    }

    /// A prefix code of one symbol, which takes no bits.
    fn push_code(&mut self, symbol: u32) {
        let long = symbol > 1;
        // Simple, one symbol, of one or eight bits.
        for (value, bits) in [(1, 1), (0, 1), (u32::from(long), 1)] {
            self.push(value, bits);
        }
        self.push(symbol, if long { 8 } else { 1 });
    }

    /// The picture that says how a transformation works, of one colour: green, red, blue, alpha.
    fn push_colour(&mut self, colour: [u32; 4]) {
        self.push(0, 1);
        for value in colour.into_iter().chain([0]) {
            self.push_code(value);
        }
    }
}

/// A lossless WebP of one colour, which takes no bits at all for a pixel, with all transformations that take time.
pub(crate) fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    for (value, count) in [(0x2f, 8), (width - 1, 14), (height - 1, 14), (1, 1), (0, 3)] {
        bits.push(value, count);
    }
    // By the neighbours, in the way that takes longest, for blocks of the largest size.
    for (value, count) in [(1, 1), (0, 2), (7, 3)] {
        bits.push(value, count);
    }
    bits.push_colour([13, 0, 0, 0]);
    // By the other colours.
    for (value, count) in [(1, 1), (1, 2), (7, 3)] {
        bits.push(value, count);
    }
    bits.push_colour([9, 7, 5, 0]);
    // Less green; no further one, no colours kept, one set of codes.
    for (value, count) in [(1, 1), (2, 2), (0, 1), (0, 1), (0, 1)] {
        bits.push(value, count);
    }
    for value in [3, 5, 7, 200, 0] {
        bits.push_code(value);
    }
    let mut data = bits.bytes;
    data.resize((data.len() + 8).next_multiple_of(2), 0);
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    let mut webp = [b"RIFF".as_slice(), &length(12 + data.len()), b"WEBPVP8L"].concat();
    webp.extend(length(data.len()));
    webp.extend(data);
    webp
}

/// A GIF of one colour, whose codes stand for up to four thousand pixels each. `screen`: the size that it says it has.
pub(crate) fn gif(screen: [u16; 2], frame: [u16; 2]) -> Vec<u8> {
    let mut gif = b"GIF89a".to_vec();
    gif.extend(screen.map(u16::to_le_bytes).concat());
    gif.extend(b"\x80\0\0\0\0\0\xff\xff\xff\x2c\0\0\0\0");
    gif.extend(frame.map(u16::to_le_bytes).concat());
    gif.extend(b"\0\x02");
    let mut bits = Bits::default();
    // The codes 4 and 5 begin and end. From 6 on each stands for one pixel more than the one before.
    bits.push(4, 3);
    bits.push(0, 3);
    let (mut pixels, mut code, mut width) = (1, 6, 3);
    while pixels < u32::from(frame[0]) * u32::from(frame[1]) {
        bits.push(code, width);
        pixels += code - 4;
        if code < 4095 {
            code += 1;
        }
        width = (code.ilog2() as usize + 1).min(12);
    }
    bits.push(5, width);
    for block in bits.bytes.chunks(255) {
        gif.push(u8::try_from(block.len()).unwrap());
        gif.extend(block);
    }
    gif.extend(b"\0;");
    gif
}

/// A grey JPEG in so many layers, each of which goes over all of the picture.
pub(crate) fn jpeg(width: u16, height: u16, layers: usize) -> Vec<u8> {
    let mut jpeg = b"\xff\xd8\xff\xdb\x00\x43\x00".to_vec();
    jpeg.extend([8; 64]);
    jpeg.extend(b"\xff\xc2\x00\x0b\x08");
    jpeg.extend([height, width].map(u16::to_be_bytes).concat());
    jpeg.extend(b"\x01\x01\x11\0");
    // First coefficients: one code of one bit, for no difference. The others: one code of one bit, for as many empty blocks as
    // the next 14 bits say, and 16,384.
    for (table, symbol) in [(0x00, 0x00), (0x10, 0xe0)] {
        jpeg.extend([0xff, 0xc4, 0, 20, table, 1]);
        jpeg.extend([0; 15]);
        jpeg.push(symbol);
    }
    let blocks = usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8));
    jpeg.extend(b"\xff\xda\x00\x08\x01\x01\0\0\0\0");
    jpeg.extend(vec![0; blocks.div_ceil(8)]);
    for _ in 1..layers {
        jpeg.extend(b"\xff\xda\x00\x08\x01\x01\0\x01\x3f\0");
        // Codes of 15 bits, the first of them 0 and the others 0 as well: runs of 16,384.
        jpeg.extend(vec![0; (blocks.div_ceil(16_384) * 15).div_ceil(8)]);
    }
    jpeg.extend(b"\xff\xd9");
    jpeg
}
