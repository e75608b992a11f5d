//! Pictures for the tests: good ones, and ones that are made to do harm.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// What the tests hide in files and look for afterwards.
pub(crate) const SECRET: &str = "taken at 37.9838 N 23.7275 E";

pub(crate) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Left half red, right half blue.
pub(crate) fn halves(width: u32, height: u32) -> DynamicImage {
    let image = RgbImage::from_fn(width, height, |x, _| {
        if x < width / 2 {
            Rgb([255, 0, 0])
        } else {
            Rgb([0, 0, 255])
        }
    });
    DynamicImage::ImageRgb8(image)
}

pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(&halves(width, height), ImageFormat::Png)
}

/// Left half clear, right half blue.
pub(crate) fn clear_png() -> Vec<u8> {
    let image = RgbaImage::from_fn(64, 64, |x, _| {
        if x < 32 {
            Rgba([0, 0, 0, 0])
        } else {
            Rgba([0, 0, 255, 255])
        }
    });
    encoded(&DynamicImage::ImageRgba8(image), ImageFormat::Png)
}

/// A photograph with [`SECRET`] in its EXIF data, which say that it is to be turned clockwise by a quarter.
pub(crate) fn turned_jpeg() -> Vec<u8> {
    let jpeg = encoded(&halves(64, 64), ImageFormat::Jpeg);
    let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
    let length = u32::try_from(SECRET.len() + 1).unwrap();
    // ImageDescription: text behind the two entries. Orientation: 6.
    tiff.extend([0x0e, 0x01, 2, 0]);
    tiff.extend(length.to_le_bytes());
    tiff.extend(38_u32.to_le_bytes());
    tiff.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]);
    tiff.extend([0, 0, 0, 0]);
    assert_eq!(tiff.len(), 38);
    tiff.extend(SECRET.as_bytes());
    tiff.push(0);
    let mut segment = b"Exif\0\0".to_vec();
    segment.extend(tiff);
    let mut out = jpeg[..2].to_vec();
    out.extend([0xff, 0xe1]);
    out.extend(u16::try_from(segment.len() + 2).unwrap().to_be_bytes());
    out.extend(segment);
    out.extend(&jpeg[2..]);
    out
}

/// A PNG with [`SECRET`] in a text chunk.
pub(crate) fn annotated_png() -> Vec<u8> {
    let png = png(16, 16);
    // Behind the signature and the IHDR chunk.
    let (head, rest) = png.split_at(8 + 25);
    let mut text = b"Comment\0".to_vec();
    text.extend(SECRET.as_bytes());
    [head, &chunk(b"tEXt", &text), rest].concat()
}

/// A PNG of a few bytes that says it is `width` by `height`.
pub(crate) fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 6, 0, 0, 0]);
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &[0x78, 0x9c, 3, 0]),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A GIF of a few bytes whose screen is small and whose frame says it is 65,535 by 65,535.
pub(crate) fn gif_with_a_large_frame() -> Vec<u8> {
    let mut gif = b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    gif.extend(b"\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;");
    gif
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(data);
    let crc = crc32(&out[4..]);
    out.extend(crc.to_be_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// A JPEG of 8 by 8 pixels of one colour in four inks, written the other way round as programs of Adobe's do: 255 is no ink.
pub(crate) fn cmyk_jpeg(inks: [u8; 4]) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0\0".to_vec();
    // One table of steps, all 8: so the first coefficient is the value less 128.
    out.extend(b"\xff\xdb\x00\x43\x00");
    out.extend([8; 64]);
    out.extend(b"\xff\xc0\x00\x14\x08\x00\x08\x00\x08\x04");
    for component in 1..=4 {
        out.extend([component, 0x11, 0]);
    }
    // First coefficients: nine lengths, each a code of four bits. The others: only the end of the block, one bit.
    out.extend(b"\xff\xc4\x00\x1c\x00\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\0\x00\x01\x02\x03\x04\x05\x06\x07\x08");
    out.extend(b"\xff\xc4\x00\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    out.extend(b"\xff\xda\x00\x0e\x04\x01\0\x02\0\x03\0\x04\0\0\x3f\0");
    let mut bits = String::new();
    for ink in inks {
        let value = i32::from(ink) - 128;
        let length = 32 - value.unsigned_abs().leading_zeros();
        let written = if value < 0 {
            value + (1 << length) - 1
        } else {
            value
        };
        bits += &format!("{length:04b}");
        if length > 0 {
            bits += &format!("{written:0width$b}", width = length as usize);
        }
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks(8) {
        let byte = u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap();
        out.push(byte);
        if byte == 0xff {
            out.push(0);
        }
    }
    out.extend([0xff, 0xd9]);
    out
}
