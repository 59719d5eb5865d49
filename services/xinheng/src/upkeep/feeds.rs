//! `feed lag`: how far each follower is behind the feed that it follows.
use chassis::settings::Settings;

use super::Databases;
use crate::command::RoleName;

/// A follower and what it has not taken up yet.
pub struct Following {
    /// Who follows.
    pub follower: RoleName,
    /// Whose feed.
    pub feed: String,
    /// Up to where; empty at the beginning.
    pub position: String,
    /// The feed's last position.
    pub newest: String,
    /// How many changes lie between.
    pub behind: i64,
}

/// Looks at the followers among some roles. It reads their databases, as only an operator may.
pub async fn followings(databases: &Databases<'_>, roles: &[RoleName]) -> anyhow::Result<Vec<Following>> {
    let mut found = Vec::new();
    for &follower in roles {
        let Some(lying) = databases.open(follower).await? else { continue };
        let cursors = lying.cursors().await?;
        lying.close().await;
        for cursor in cursors {
            let source = RoleName::ALL.into_iter().find(|role| role.name() == cursor.feed);
            let Some(source) = source.filter(|source| roles.contains(source)) else { continue };
            let Some(lying) = databases.open(source).await? else { continue };
            let (behind, newest) = lying.behind(&cursor.position).await?;
            lying.close().await;
            found.push(Following { follower, feed: cursor.feed, position: cursor.position, newest, behind });
        }
    }
    Ok(found)
}

/// Prints it.
pub async fn lag(settings: &Settings) -> anyhow::Result<()> {
    let databases = Databases::of(settings, &[])?;
    println!("{:<11} {:<11} {:>20} {:>20} {:>9}", "follower", "feed", "position", "newest", "behind");
    for one in followings(&databases, &databases.roles).await? {
        let (follower, feed) = (one.follower.name(), &one.feed);
        println!("{follower:<11} {feed:<11} {:>20} {:>20} {:>9}", one.position, one.newest, one.behind);
    }
    Ok(())
}
