//! SITE (RFC 959 §4.1.3): HELP; CHMOD, quietly accepted, since rights are the account's; UTIME, in both of its old forms.

use super::Argument;
use crate::domain::VirtualPath;
use crate::ftp::reply::Reply;
use crate::ftp::session::Member;
use crate::ftp::time::parse_time_val;

pub(super) async fn handle(member: &mut Member, argument: &Argument) -> Result<Reply, Reply> {
    let text = argument.text(&mut member.client.encoding).into_owned();
    let (command, rest) = text.split_once(' ').unwrap_or((&text, ""));
    match command.to_ascii_uppercase().as_str() {
        "HELP" => Ok(Reply::lines(214, "SITE", vec![" CHMOD HELP UTIME".into()], "End")),
        "CHMOD" => chmod(member, rest).await,
        "UTIME" => utime(member, rest).await,
        _ => Err(Reply::new(504, "There is no such SITE command")),
    }
}

async fn chmod(member: &Member, rest: &str) -> Result<Reply, Reply> {
    let parts = rest.split_once(' ').filter(|(mode, _)| u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o7777));
    let (_, name) = parts.ok_or_else(|| Reply::syntax("SITE CHMOD is an octal mode and a path"))?;
    member.tree.stat(&member.folder.resolve(name)?).await?;
    Ok(Reply::new(200, "Rights are set by the account; nothing has changed"))
}

/// `UTIME 20261123170230 path`, and `UTIME path accessed modified created UTC`.
async fn utime(member: &Member, rest: &str) -> Result<Reply, Reply> {
    let short = rest.split_once(' ').and_then(|(time, name)| Some((parse_time_val(time)?, name)));
    let long = || {
        let mut parts = rest.rsplitn(5, ' ');
        let (zone, _created, modified, _accessed, name) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (zone.eq_ignore_ascii_case("UTC")).then_some(())?;
        Some((parse_time_val(modified)?, name))
    };
    let (time, name) = short.or_else(long).ok_or_else(|| Reply::syntax("SITE UTIME is a time and a path"))?;
    let path: VirtualPath = member.folder.resolve(name)?;
    member.tree.set_modified(&path, time).await?;
    Ok(Reply::new(200, "Set"))
}
