//! A log file to read, whether it is compressed or not.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use zstd::stream::read::Decoder;

pub enum Source {
    Plain(File),
    Packed(Box<Decoder<'static, BufReader<File>>>),
}

impl Source {
    pub fn packed(file: File) -> io::Result<Self> {
        Ok(Self::Packed(Box::new(Decoder::new(file)?)))
    }

    /// Passes over the first `count` bytes.
    pub fn skip(&mut self, count: u64) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.seek(SeekFrom::Start(count)).map(|_| ()),
            Self::Packed(bytes) => io::copy(&mut bytes.take(count), &mut io::sink()).map(|_| ()),
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(into),
            Self::Packed(bytes) => bytes.read(into),
        }
    }
}
