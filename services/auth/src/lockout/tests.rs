use std::net::Ipv4Addr;

use futures::future::join_all;

use super::*;

fn lockout(address: &str, account: &str, day: &str) -> (Lockout, stoa_kernel::Clock) {
    let clock = stoa_kernel::Clock::adjustable();
    let rates = RateLimitConfig {
        register_per_address: Rate::Off,
        mails_per_address: Rate::Off,
        login_per_address: address.parse().unwrap(),
        login_per_account: account.parse().unwrap(),
        invitations_per_account: Rate::Off,
        invitations_per_address: Rate::Off,
        guesses_per_account: day.parse().unwrap(),
    };
    let cache = Cache::local_with_clock(1 << 20, clock.clone());
    (Lockout::new(&cache, &rates), clock)
}

/// An address in a network of its own.
fn from(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + (n << 8)))
}

fn source(address: IpAddr, account: &str, familiarity: Familiarity) -> Source<'_> {
    Source {
        account,
        address,
        familiarity,
    }
}

/// Fails to sign in `times`; how many were let through.
async fn fail(
    lockout: &Lockout,
    times: u32,
    address: impl Fn(u32) -> IpAddr,
    familiarity: Familiarity,
) -> usize {
    let mut through = 0;
    for n in 0..times {
        through += usize::from(
            lockout
                .sign_in(&source(address(n), "ada", familiarity))
                .await
                .is_ok(),
        );
    }
    through
}

#[tokio::test]
async fn failures_from_elsewhere_do_not_lock_the_owner_out() {
    let (lockout, _) = lockout("20/m", "5/m", "off");
    let through = fail(&lockout, 1000, from, Familiarity::Elsewhere).await;
    assert_eq!(through, 50, "all networks together");
    let through = fail(&lockout, 1, |_| from(2000), Familiarity::Elsewhere).await;
    assert_eq!(through, 0, "also a new one");
    for (account, familiarity) in [
        ("ada", Familiarity::KnownNetwork),
        ("bob", Familiarity::Elsewhere),
    ] {
        let attempt = lockout.sign_in(&source(from(3000), account, familiarity)).await;
        attempt.unwrap().succeed().await;
    }
}

#[tokio::test]
async fn one_network_has_the_accounts_allowance_and_one_address_its_own() {
    let (lockout, clock) = lockout("8/m", "5/m", "off");
    assert_eq!(
        fail(&lockout, 10, |_| from(1), Familiarity::KnownNetwork).await,
        5
    );
    let mut through = 0;
    for account in ["bob", "carol", "dora", "emil"] {
        let attempt = lockout
            .sign_in(&source(from(1), account, Familiarity::KnownNetwork))
            .await;
        through += usize::from(attempt.is_ok());
    }
    assert_eq!(through, 3, "the address has had its eight");
    clock.advance(Duration::from_secs(60));
    assert_eq!(fail(&lockout, 1, |_| from(1), Familiarity::KnownNetwork).await, 1);
}

#[tokio::test]
async fn neighbours_do_not_use_up_what_a_known_address_has() {
    let (lockout, _) = lockout("100/m", "5/m", "off");
    let neighbour = |_| IpAddr::from([192, 0, 2, 7]);
    assert_eq!(fail(&lockout, 10, neighbour, Familiarity::KnownNetwork).await, 5);
    let own = |_| IpAddr::from([192, 0, 2, 1]);
    assert_eq!(fail(&lockout, 10, own, Familiarity::KnownAddress).await, 5);
    let (lockout, _) = self::lockout("100/m", "5/m", "off");
    let alone = fail(&lockout, 10, own, Familiarity::KnownAddress).await;
    assert_eq!(alone, 5, "nor has it more where nobody else tries");
}

#[tokio::test]
async fn a_good_sign_in_gives_the_network_its_allowance_back() {
    let (lockout, _) = lockout("100/m", "5/m", "off");
    assert_eq!(fail(&lockout, 4, |_| from(1), Familiarity::KnownNetwork).await, 4);
    let attempt = lockout
        .sign_in(&source(from(1), "ada", Familiarity::KnownNetwork))
        .await;
    attempt.unwrap().succeed().await;
    assert_eq!(
        fail(&lockout, 10, |_| from(1), Familiarity::KnownNetwork).await,
        5
    );
}

#[tokio::test]
async fn attempts_at_once_count_before_they_end() {
    let (lockout, _) = lockout("100/m", "5/m", "off");
    let who = source(from(1), "ada", Familiarity::KnownNetwork);
    let running = join_all((0..10).map(|_| lockout.sign_in(&who))).await;
    let running: Vec<_> = running.into_iter().filter_map(Result::ok).collect();
    assert_eq!(running.len(), 5);
    join_all(running.into_iter().map(Attempt::release)).await;
    let through = fail(&lockout, 10, |_| from(1), Familiarity::KnownNetwork).await;
    assert_eq!(through, 5, "those that were released count for nothing");
}

#[tokio::test]
async fn proofs_and_codes_are_bounded_over_addresses_and_days() {
    let (lockout, clock) = lockout("100/m", "5/m", "20/d");
    let mut through = 0;
    let mut last = Vec::new();
    for n in 0..300 {
        clock.advance(Duration::from_secs(60));
        if let Ok(attempt) = lockout
            .code(&source(from(n), "ada", Familiarity::Elsewhere))
            .await
        {
            through += 1;
            if attempt.fail() {
                last.push(through);
            }
        }
    }
    // 300 minutes give back four of a day's twenty.
    assert_eq!(through, 24);
    assert_eq!(last.first(), Some(&20), "the last one of a day is noticed");
    let refused = lockout
        .code(&source(from(1), "ada", Familiarity::Elsewhere))
        .await;
    assert!(refused.is_err_and(|refused| refused.of_a_day));
    let own = source(from(7), "ada", Familiarity::KnownAddress);
    let attempt = lockout.code(&own).await.unwrap();
    attempt.succeed().await;
    lockout.proof(&own).await.unwrap().succeed().await;
}
