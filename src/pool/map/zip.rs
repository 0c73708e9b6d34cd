//! Several arrays as one: item i is made of element i of each, laid out like a struct of C.

use crate::error::{Result, Status};

/// An array of elements of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) size: usize,
    pub(crate) count: usize,
}

/// The items, and the size of each. There are as many as the shortest array has elements.
pub(crate) fn zip(columns: &[Column<'_>]) -> Result<(Vec<u8>, usize, usize)> {
    let count = columns.iter().map(|column| column.count).min().unwrap_or(0);
    let mut end = 0;
    let starts: Vec<usize> = columns
        .iter()
        .map(|column| {
            let start: usize = end;
            let start = start.next_multiple_of(alignment(column.size));
            end = start + column.size;
            start
        })
        .collect();
    let largest = columns.iter().map(|column| alignment(column.size)).max().unwrap_or(1);
    let item_size = end.next_multiple_of(largest);
    let mut items = Vec::new();
    let len = count.checked_mul(item_size).ok_or(Status::POOL_ERR_NOMEM)?;
    items.try_reserve_exact(len).map_err(|_| Status::POOL_ERR_NOMEM)?;
    items.resize(len, 0);
    for (column, start) in columns.iter().zip(starts) {
        for index in 0..count {
            let element = &column.bytes[index * column.size..][..column.size];
            items[index * item_size + start..][..column.size].copy_from_slice(element);
        }
    }
    Ok((items, item_size, count))
}

/// That of a type of this size: the largest power of two that divides it, at most 16.
fn alignment(size: usize) -> usize {
    1 << size.trailing_zeros().min(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_laid_out_like_structs() {
        let (ints, doubles) = ([1_u8, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0], [7_u8; 16]);
        let (items, size, count) = zip(&[
            Column { bytes: &ints, size: 4, count: 3 },
            Column { bytes: &doubles, size: 8, count: 2 },
        ])
        .unwrap();
        assert_eq!((size, count), (16, 2));
        assert_eq!(&items[16..], [2, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7]);
        assert_eq!(zip(&[]).unwrap().1, 0);
        let (chars, shorts) = ([1_u8, 2], [3_u8, 0, 4, 0]);
        let (items, size, _) = zip(&[
            Column { bytes: &shorts, size: 2, count: 2 },
            Column { bytes: &chars, size: 1, count: 2 },
        ])
        .unwrap();
        assert_eq!((size, &items[..]), (4, &[3, 0, 1, 0, 4, 0, 2, 0][..]));
    }
}
