//! What decoding may take up in this process, whichever services it runs.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::PictureError;

/// How long an upload waits for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// Pictures decoded at once: half of the cores, for others are served meanwhile.
static THREADS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new((cores / 2).max(1))
});
/// The memory that they may take up together, in KiB.
static MEMORY: Semaphore = Semaphore::const_new(0);
static MEMORY_SIZE: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that there is so much memory for pictures.
pub(crate) fn provide(bytes: usize) {
    let wanted = (bytes / 1024).clamp(1, Semaphore::MAX_PERMITS);
    let before = MEMORY_SIZE.fetch_max(wanted, Ordering::Relaxed);
    MEMORY.add_permits(wanted.saturating_sub(before));
}

/// The turn of a picture that needs `cost` bytes: a thread, and memory. One that needs more than there is goes alone.
pub(crate) async fn turn(cost: u64) -> Result<[SemaphorePermit<'static>; 2], PictureError> {
    let waiting = async {
        let thread = THREADS.acquire().await?;
        let all = MEMORY_SIZE.load(Ordering::Relaxed);
        let needed = usize::try_from(cost / 1024).unwrap_or(all).min(all);
        let memory = MEMORY
            .acquire_many(u32::try_from(needed).unwrap_or(u32::MAX))
            .await?;
        Ok([thread, memory])
    };
    match tokio::time::timeout(WAIT, waiting).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(tokio::sync::AcquireError { .. })) | Err(_) => {
            Err(PictureError::Busy("too many pictures are waiting to be decoded"))
        }
    }
}
