//! How much memory an archive may make us take. Sizes in a file are claims: each is compared with a
//! limit, or with what can be there at all, before memory is taken for it.

/// Bounds on what is read from one archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes that one blob may have to be read into memory at once.
    pub blob: u64,
    /// Bytes that one compressed cluster may have once it is decoded: more is taken to be a
    /// decompression bomb. What is not compressed needs no such limit.
    pub cluster: u64,
    /// How many redirects are followed.
    pub redirects: usize,
}

impl Default for Limits {
    /// 256 MiB for a blob and for a cluster (writers make clusters of 2 MiB, larger ones hold one large
    /// blob), 50 redirects.
    fn default() -> Self {
        Self { blob: 256 << 20, cluster: 256 << 20, redirects: 50 }
    }
}

impl Limits {
    /// Other bounds for blobs and for decoded clusters.
    #[must_use]
    pub const fn bytes(mut self, blob: u64, cluster: u64) -> Self {
        self.blob = blob;
        self.cluster = cluster;
        self
    }

    /// Another number of redirects that are followed.
    #[must_use]
    pub const fn redirects(mut self, hops: usize) -> Self {
        self.redirects = hops;
        self
    }
}
