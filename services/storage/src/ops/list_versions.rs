//! All versions in a bucket, by path and the newest first: current ones, older ones, and deleted ones that can still be restored.

use std::collections::VecDeque;

use super::list::{Asked, Place, end_of};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{BucketId, VersionId},
    store::versions::{self, VersionRow},
};

/// Rows that are read at once.
const READ: u32 = 200;

/// An entry, and which version it is, if it is none of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) place: Place,
    pub(crate) version: Option<VersionId>,
}

/// A page of versions and folders.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) versions: Vec<VersionRow>,
    pub(crate) folders: Vec<String>,
    /// The last entry, where there are more.
    pub(crate) next: Option<Position>,
}

/// Lists, behind `asked.after`; where a version is named, behind that one of the same path. What is in a folder is skipped.
pub(crate) async fn list(
    ctx: &Ctx,
    bucket: BucketId,
    asked: &Asked,
    version: Option<VersionId>,
) -> Result<Listing, Error> {
    let mut rows = Rows::of(ctx, bucket, asked, version);
    let mut listing = Listing::default();
    let mut last = None;
    while let Some(row) = rows.next().await? {
        if listing.versions.len() + listing.folders.len() == asked.limit {
            listing.next = last;
            break;
        }
        let place = asked.place(&row.path);
        let version = (!place.is_folder).then_some(row.id);
        if place.is_folder {
            rows.skip(&place.path);
            listing.folders.push(place.path.clone());
        } else {
            listing.versions.push(row);
        }
        last = Some(Position { place, version });
    }
    Ok(listing)
}

/// Versions in the order of the list. The index has those of a path with the oldest first, so a path is read as a whole, or, where it has
/// many, by itself.
struct Rows<'a> {
    ctx: &'a Ctx,
    bucket: BucketId,
    /// The least path that was not read.
    from: Vec<u8>,
    end: Vec<u8>,
    /// A path that is read by itself, before the others, and the version before which it goes on.
    within: Option<(String, VersionId)>,
    ready: VecDeque<VersionRow>,
}

impl<'a> Rows<'a> {
    fn of(ctx: &'a Ctx, bucket: BucketId, asked: &Asked, version: Option<VersionId>) -> Self {
        let begin = asked.prefix.as_bytes().to_vec();
        let after = asked.after.as_ref();
        let from = after.map_or_else(|| begin.clone(), Place::next);
        let within = after.zip(version);
        let within = within.filter(|(place, _)| place.path.starts_with(&asked.prefix));
        Self {
            ctx,
            bucket,
            from: from.max(begin),
            end: end_of(&asked.prefix),
            within: within.map(|(place, version)| (place.path.clone(), version)),
            ready: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> Result<Option<VersionRow>, Error> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            match self.within.take() {
                Some((path, before)) => self.read_within(path, before).await?,
                None if self.from >= self.end => return Ok(None),
                None => self.read().await?,
            }
        }
    }

    /// Goes on behind all that is in the folder.
    fn skip(&mut self, folder: &str) {
        self.ready.retain(|row| !row.path.starts_with(folder));
        self.within.take_if(|(path, _)| path.starts_with(folder));
        self.from = std::mem::take(&mut self.from).max(end_of(folder));
    }

    async fn read(&mut self) -> Result<(), Error> {
        let range = (self.from.as_slice(), self.end.as_slice());
        let mut rows = versions::all(&self.ctx.db, self.bucket, range, READ).await?;
        match rows.last() {
            Some(last) if rows.len() == READ as usize => {
                // There may be more of the last path: it is read again.
                let path = last.path.clone();
                rows.truncate(rows.partition_point(|row| row.path < path));
                self.from = path.as_bytes().to_vec();
                if rows.is_empty() {
                    self.from.push(0);
                    self.within = Some((path, VersionId::from_uuid(uuid::Uuid::max())));
                }
            }
            _ => self.from.clone_from(&self.end),
        }
        rows.chunk_by_mut(|one, other| one.path == other.path)
            .for_each(<[_]>::reverse);
        self.ready = rows.into();
        Ok(())
    }

    async fn read_within(&mut self, path: String, before: VersionId) -> Result<(), Error> {
        let rows = versions::of_path(&self.ctx.db, self.bucket, &path, before, READ).await?;
        if let Some(last) = rows.last().filter(|_| rows.len() == READ as usize) {
            self.within = Some((path, last.id));
        }
        self.ready = rows.into();
        Ok(())
    }
}
