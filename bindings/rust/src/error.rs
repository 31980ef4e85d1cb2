use std::fmt;

/// Why a function of the library refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The process's malloc is not Tenure's, so nothing would be limited.
    NotActive,
    /// The name, a flag or the tenant is not valid for that.
    Invalid,
    /// There is an online tenant of that name.
    Exists,
    /// The tenant, or its parent, is offline.
    Offline,
    /// The tenant has children.
    Busy,
    /// No memory for the tenant.
    NoMemory,
    /// Another number of errno.
    Other(i32),
}

impl Error {
    pub(crate) fn of(result: Option<i32>) -> Result<(), Error> {
        match result {
            None => Err(Error::NotActive),
            Some(0..) => Ok(()),
            Some(-95) => Err(Error::NotActive), // ENOTSUP
            Some(-22) => Err(Error::Invalid),   // EINVAL
            Some(-17) => Err(Error::Exists),    // EEXIST
            Some(-19 | -114) => Err(Error::Offline), // ENODEV, EALREADY
            Some(-16) => Err(Error::Busy),      // EBUSY
            Some(-12) => Err(Error::NoMemory),  // ENOMEM
            Some(other) => Err(Error::Other(-other)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotActive => to.write_str(
                "the process's malloc is not Tenure's, so nothing would be limited: start the program by `tenure run -- program`, \
                 or with LD_PRELOAD=libtenure.so in its environment",
            ),
            Error::Invalid => to.write_str("not a valid name, value or tenant"),
            Error::Exists => to.write_str("there is an online tenant of that name"),
            Error::Offline => to.write_str("the tenant is offline"),
            Error::Busy => to.write_str("the tenant has children"),
            Error::NoMemory => to.write_str("no memory for the tenant"),
            Error::Other(number) => write!(to, "error {number}"),
        }
    }
}

impl std::error::Error for Error {}
