//! Copies of files on this machine.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{self, SeekFrom};
use rustix::io::Errno;

/// Copies what `source` holds into the empty `copy`: by sharing blocks where the filesystem can, else in the kernel,
/// hole by hole. A hole stays a hole: else a login could fill the disk by asking for a copy of one byte at 10 TiB.
pub(super) fn copy_content(source: &File, copy: &File) -> io::Result<()> {
    if fs::ioctl_ficlone(copy, source).is_ok() {
        return Ok(());
    }
    copy_up_to(source, copy, source.metadata()?.len())
}

/// The source may become shorter meanwhile (another upload in flight): the copy then, too, and is not filled with zeros.
fn copy_up_to(source: &File, copy: &File, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let data = match fs::seek(source, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let hole = fs::seek(source, SeekFrom::Hole(data))?.min(size);
        copy_range(source, copy, data, hole)?;
        at = hole.max(data + 1);
    }
    copy.set_len(size.min(source.metadata()?.len()))
}

fn copy_range(source: &File, copy: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut from, mut to) = (start, start);
    while from < end {
        let length = usize::try_from(end - from).unwrap_or(usize::MAX);
        match fs::copy_file_range(source, Some(&mut from), copy, Some(&mut to), length) {
            // The source was cut shorter meanwhile.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::INVAL) => {
                return copy_by_hand(source, copy, from, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// For filesystems without `copy_file_range`.
fn copy_by_hand(source: &File, copy: &File, start: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut at = start;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        match source.read_at(&mut buffer[..wanted], at)? {
            0 => break,
            read => {
                copy.write_all_at(&buffer[..read], at)?;
                at += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_source_that_became_shorter_is_copied_as_it_is() {
        let (mut source, copy) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all(b"short").unwrap();
        copy_up_to(&source, &copy, 10).unwrap();
        let mut bytes = [0; 16];
        let length = copy.read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[..length], b"short");
    }

    #[test]
    fn a_hole_at_the_end_stays_one() {
        let (mut source, copy) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all(b"short").unwrap();
        source.set_len(1 << 40).unwrap();
        copy_up_to(&source, &copy, 1 << 40).unwrap();
        assert_eq!(copy.metadata().unwrap().len(), 1 << 40);
    }
}
