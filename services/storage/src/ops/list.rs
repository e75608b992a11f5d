//! What is in a bucket, by path: objects, and folders without looking at all that is in them.

use crate::{
    ctx::Ctx,
    error::Error,
    ids::BucketId,
    store::versions::{self, VersionRow},
};

/// Rows that are read at once.
const READ: u32 = 101;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// What paths begin with.
    pub(crate) prefix: String,
    /// What ends a folder's name; none for no folders.
    pub(crate) delimiter: Option<String>,
    /// Where to go on.
    pub(crate) after: Option<Place>,
    /// Entries at most.
    pub(crate) limit: usize,
}

/// An entry: the path of an object, or what the paths of all objects in a folder begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) is_folder: bool,
}

impl Place {
    /// The least that comes after it.
    pub(super) fn next(&self) -> Vec<u8> {
        if self.is_folder {
            return end_of(&self.path);
        }
        [self.path.as_bytes(), &[0]].concat()
    }
}

/// A page of entries in the order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<VersionRow>,
    pub(crate) folders: Vec<String>,
    /// The last entry, where there are more.
    pub(crate) next: Option<Place>,
}

/// The least that comes after all that begins so. UTF-8 has no byte 255, so the last byte can be raised by one.
pub(crate) fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end.push(u8::MAX),
    }
    end
}

/// Lists. What is in a folder is skipped by a look beyond it, so a page costs the same however much is in them.
pub(crate) async fn list(ctx: &Ctx, bucket: BucketId, asked: &Asked) -> Result<Listing, Error> {
    let end = end_of(&asked.prefix);
    let begin = asked.prefix.as_bytes().to_vec();
    let mut from = asked
        .after
        .as_ref()
        .map_or_else(|| begin.clone(), Place::next)
        .max(begin);
    let mut listing = Listing::default();
    let mut last: Option<Place> = None;
    loop {
        let rows = versions::range(&ctx.db, bucket, (&from, &end), READ).await?;
        let is_last = rows.len() < READ as usize;
        for row in rows {
            if last
                .as_ref()
                .is_some_and(|last| last.is_folder && row.path.starts_with(&last.path))
            {
                continue;
            }
            if listing.objects.len() + listing.folders.len() == asked.limit {
                listing.next = last;
                return Ok(listing);
            }
            let place = asked.place(&row.path);
            if place.is_folder {
                listing.folders.push(place.path.clone());
            } else {
                listing.objects.push(row);
            }
            last = Some(place);
        }
        match &last {
            Some(last) if !is_last => from = last.next(),
            _ => return Ok(listing),
        }
    }
}

impl Asked {
    /// The entry that an object is part of.
    pub(super) fn place(&self, path: &str) -> Place {
        let rest = path.get(self.prefix.len()..).unwrap_or_default();
        let folder = self.delimiter.as_deref().and_then(|delimiter| {
            let at = rest.find(delimiter)?;
            Some(self.prefix.len() + at + delimiter.len())
        });
        Place {
            path: path[..folder.unwrap_or(path.len())].to_owned(),
            is_folder: folder.is_some(),
        }
    }
}
