use super::city::*;
use contract::grading::v1 as api;
use std::time::Instant;
#[tokio::test(flavor = "multi_thread")]
#[ignore]
async fn perf() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    let t = Instant::now();
    let mut p = String::new();
    for first in (0..19_179u32).step_by(2000) {
        p = city
            .register((first + 1..=(first + 2000).min(19_179)).map(|s| subject(s, &["D09"])).collect())
            .await;
    }
    eprintln!("register {:?}", t.elapsed());
    city.arrive(&p).await;
    eprintln!("feed arrived {:?}", t.elapsed());
    let t = Instant::now();
    city.publish(scheme("s")).await;
    while city.distribution("s").await.values().sum::<i32>() < 19_179 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    eprintln!("publish run {:?}", t.elapsed());
    let t = Instant::now();
    let r = city.run(api::CreateRunRequest { scheme: "s".into(), ..Default::default() }).await.unwrap();
    eprintln!("run again {:?} {r:?}", t.elapsed());
    city.publish(scheme("t")).await;
    let t = Instant::now();
    for b in 0..10u32 {
        p = city
            .submit(
                (0..5000)
                    .map(|n| {
                        record((b * 5000 + n) % 19_179 + 1, "penalty", &format!("P-{b}-{n}"), "2025-06-01")
                    })
                    .collect(),
            )
            .await
            .1;
    }
    eprintln!("50,000 records submitted {:?}", t.elapsed());
    city.arrive(&p).await;
    eprintln!("50,000 records applied under two schemes {:?}", t.elapsed());
    let t = Instant::now();
    let n = city.export(api::ExportGradesRequest { scheme: "s".into(), ..Default::default() }).await.len();
    eprintln!("export {n} {:?}", t.elapsed());
    let t = Instant::now();
    city.set_clock("2026-06-02T02:00:00Z");
    let d = loop {
        match city.try_look(city.office(), &code(1), "").await {
            Ok(s) => break s,
            Err(_) => {}
        }
    };
    eprintln!("due sweep {:?} {:?}", t.elapsed(), d.grades[0]);
    for _ in 0..5 {
        let t = Instant::now();
        city.look(&code(5), "").await;
        eprintln!("look {:?}", t.elapsed());
    }
}
