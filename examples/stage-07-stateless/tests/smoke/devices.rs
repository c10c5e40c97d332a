use crate::browser::Browser;
use crate::client::ask;
use crate::{PAGE, Site};

const DEVICES: &str = "/devices";

#[tokio::test]
async fn a_listener_sees_their_devices_and_signs_out_the_others() {
    let site = Site::start(&[]).await;
    let address = site.address();
    let mut browsers = [Browser::default(), Browser::default(), Browser::default()];
    let mut stranger = Browser::default();
    stranger.sign_in(address, 8).await;
    for browser in &mut browsers {
        browser.sign_in(address, 7).await;
    }
    let [one, two, three] = &mut browsers;
    let list = one.get(address, DEVICES).await;
    assert_eq!(list.text.matches("\"signed_in\":").count(), 3, "{}", list.text);
    assert_eq!(list.text.matches("\"current\":true").count(), 1, "{}", list.text);
    assert!(list.text.contains("\"network\":\"127.0.0.0/24\""), "{}", list.text);
    let page = one.ask(address, "GET", DEVICES, PAGE).await.unwrap();
    assert!(page.text.contains("Sign out everywhere else"), "{}", page.text);

    // One of them, by the form of the page.
    let end = page.text.split("action=\"/devices/").skip(1).filter_map(|rest| rest.split('"').next());
    let end = end.filter(|path| *path != "others/sign-out").next().unwrap();
    let end = format!("/devices/{end}");
    let foreign = stranger.post(address, &end, "").await;
    assert_eq!(foreign.status, 404, "another listener's device is none: {}", foreign.text);
    let done = one.post(address, &end, "").await;
    assert_eq!((done.status, done.header("location")), (303, Some(DEVICES)), "{}", done.text);
    let left = [two.who(address).await.unwrap().0, three.who(address).await.unwrap().0];
    assert_eq!(left.iter().flatten().count(), 1, "{left:?}");

    // From another site's page nothing happens.
    let headers =
        format!("origin: https://evil.test\r\nsec-fetch-site: cross-site\r\n{}", one.headers());
    let cross = ask(address, "POST", "/devices/others/sign-out", &headers).await.unwrap();
    assert_eq!(cross.status, 403, "{}", cross.text);
    let left = [two.who(address).await.unwrap().0, three.who(address).await.unwrap().0];
    assert_eq!(left.iter().flatten().count(), 1, "{left:?}");

    one.post(address, "/devices/others/sign-out", "").await;
    for other in [two, three] {
        assert_eq!(other.who(address).await.unwrap().0, None);
    }
    assert_eq!(one.who(address).await.unwrap().0, Some(7));
    assert_eq!(stranger.who(address).await.unwrap().0, Some(8));
    let page = one.ask(address, "GET", DEVICES, PAGE).await.unwrap();
    assert!(!page.text.contains("everywhere else"), "nothing to end: {}", page.text);
    let nobody = ask(address, "GET", DEVICES, PAGE).await.unwrap();
    assert_eq!(nobody.header("location"), Some("/sign-in?next=%2Fdevices"), "{}", nobody.text);
    site.stage.stop().await;
}
