//! What the kernel refused.

use std::fmt;
use std::io;

pub type Result<T> = std::result::Result<T, Error>;

/// A refused system call or request: the number, and a sentence that begins with what was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub errno: i32,
    pub text: String,
}

impl Error {
    /// `what: File exists`.
    pub fn new(errno: i32, what: impl fmt::Display) -> Self {
        Self {
            errno,
            text: format!("{what}: {}", errno_text(errno)),
        }
    }

    /// Of the system call that just failed in this thread.
    pub fn last(what: impl fmt::Display) -> Self {
        Self::of(&io::Error::last_os_error(), what)
    }

    /// Of the standard library's error.
    pub fn of(error: &io::Error, what: impl fmt::Display) -> Self {
        Self::new(error.raw_os_error().unwrap_or(libc::EIO), what)
    }

    /// Something that we can't send: EINVAL with the reason.
    pub fn invalid(text: impl fmt::Display) -> Self {
        Self {
            errno: libc::EINVAL,
            text: text.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// A request of a batch that the kernel refused; the others of the batch were done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub index: usize,
    pub errno: i32,
    pub text: String,
}

/// The first failure as an error, with what it was about and how many more there are.
pub fn first_failure(failures: &[Failure], what: impl FnOnce(usize) -> String) -> Result<()> {
    let Some(first) = failures.first() else { return Ok(()) };
    let more = if failures.len() > 1 {
        format!(" (and {} more)", failures.len() - 1)
    } else {
        String::new()
    };
    Err(Error {
        errno: first.errno,
        text: format!("{}: {}{more}", what(first.index), first.text),
    })
}

/// `File exists`, as strerror has it.
pub fn errno_text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_was_tried_and_what_the_kernel_said() {
        assert_eq!(Error::new(libc::EEXIST, "veth eth0").text, "veth eth0: File exists");
        let two = [3, 5].map(|index| Failure {
            index,
            errno: libc::EEXIST,
            text: "File exists".into(),
        });
        assert_eq!(
            first_failure(&two, |i| format!("veth {i}")).unwrap_err().text,
            "veth 3: File exists (and 1 more)"
        );
        assert_eq!(first_failure(&[], |_| unreachable!()), Ok(()));
    }
}
