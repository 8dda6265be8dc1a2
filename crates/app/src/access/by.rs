//! Who runs this program, as the operating system has it. What a caller could set, such as the environment, is not asked.

use std::fs;

use ascribe_model::{AccessBy, AccessUser};

/// The machine's own list of users (passwd(5)).
const USERS: &str = "/etc/passwd";

/// The user that signed in (proc_pid_loginuid(5)); it stays the same when somebody takes on another's rights.
const LOGIN: &str = "/proc/self/loginuid";

/// Who runs this program.
pub fn by() -> AccessBy {
    let users = fs::read(USERS).unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let user = |uid: u32| AccessUser { uid, name: name_of(&users, uid) };
    let uid = rustix::process::getuid().as_raw();
    let login = fs::read_to_string(LOGIN).ok().and_then(|text| text.trim().parse().ok());
    // The highest number stands for nobody.
    let login = login.filter(|login| ![u32::MAX, uid].contains(login));
    AccessBy {
        user: user(uid),
        login: login.map(user),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

/// The name that a list of users has for a number.
fn name_of(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_list_of_users() {
        let users = "root:x:0:0::/root:/bin/sh\n# a comment\n\nauditor:x:1001:1001\n:x:7:7\nodd:x:-1\n";
        assert_eq!(name_of(users, 0).as_deref(), Some("root"));
        assert_eq!(name_of(users, 1001).as_deref(), Some("auditor"));
        assert_eq!(name_of(users, 7), None);
        assert_eq!(name_of(users, 99), None);
    }
}
