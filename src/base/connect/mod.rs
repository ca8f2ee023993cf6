//! How servers are reached, as one file or folder for each kind: whom to ask, as whom, encrypted how, and what it means
//! when nobody answers. What is asked of them belongs to the rooms above.

pub mod kubernetes;
pub mod postgres;
pub mod redis;
pub mod s3;
