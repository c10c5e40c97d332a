//! The words that names are made of.

/// First halves of station names.
pub(super) const MOODS: [&str; 48] = [
    "Velvet", "Copper", "Night", "Paper", "Harbour", "Amber", "Silver", "Quiet", "Northern",
    "Electric", "Salt", "Marble", "Distant", "Morning", "Cobalt", "Wild", "Slow", "Golden",
    "Hidden", "Rain", "Cinder", "Glass", "Lunar", "Orchard", "Analog", "Coral", "Midnight",
    "Prairie", "Signal", "Granite", "Juniper", "Saffron", "Tidal", "Ivory", "Backyard", "Polar",
    "Neon", "Meadow", "Static", "Rooftop", "Crimson", "River", "Satellite", "Cedar", "Ember",
    "Winter", "Solar", "Drift",
];

/// Second halves of station names. 48 × 50 = 2,400 different stations.
pub(super) const PLACES: [&str; 50] = [
    "Tram", "Lighthouse", "Kitchen", "Avenue", "Radio", "Lounge", "Ferry", "Garden", "Arcade",
    "Library", "Basement", "Station", "Frequency", "Hotel", "Parade", "Observatory", "Market",
    "Terrace", "Garage", "Echo", "Canal", "Workshop", "Bakery", "Signal", "Cinema", "Pavilion",
    "Quarter", "Cable", "Society", "Balcony", "Motel", "Transit", "Greenhouse", "Antenna",
    "Boulevard", "Cellar", "Platform", "Embassy", "Laundry", "Exchange", "Postcard", "Compass",
    "Carousel", "Almanac", "Mezzanine", "Overpass", "Relay", "Studio", "Window", "Club",
];

/// Cities and their countries.
pub(super) const CITIES: [(&str, &str); 60] = [
    ("Lisbon", "Portugal"), ("Porto", "Portugal"), ("Madrid", "Spain"), ("Seville", "Spain"),
    ("Lyon", "France"), ("Marseille", "France"), ("Nantes", "France"), ("Ghent", "Belgium"),
    ("Utrecht", "Netherlands"), ("Rotterdam", "Netherlands"), ("Hamburg", "Germany"),
    ("Leipzig", "Germany"), ("Cologne", "Germany"), ("Zürich", "Switzerland"),
    ("Vienna", "Austria"), ("Turin", "Italy"), ("Naples", "Italy"), ("Bologna", "Italy"),
    ("Ljubljana", "Slovenia"), ("Athens", "Greece"), ("Istanbul", "Türkiye"),
    ("Tbilisi", "Georgia"), ("Kraków", "Poland"), ("Gdańsk", "Poland"), ("Prague", "Czechia"),
    ("Vilnius", "Lithuania"), ("Riga", "Latvia"), ("Tallinn", "Estonia"), ("Tampere", "Finland"),
    ("Malmö", "Sweden"), ("Gothenburg", "Sweden"), ("Bergen", "Norway"), ("Aarhus", "Denmark"),
    ("Reykjavík", "Iceland"), ("Galway", "Ireland"), ("Glasgow", "Scotland"),
    ("Bristol", "England"), ("Leeds", "England"), ("Montréal", "Canada"), ("Halifax", "Canada"),
    ("Portland", "United States"), ("Detroit", "United States"), ("Memphis", "United States"),
    ("Oaxaca", "Mexico"), ("Havana", "Cuba"), ("Kingston", "Jamaica"), ("Bogotá", "Colombia"),
    ("Recife", "Brazil"), ("São Paulo", "Brazil"), ("Montevideo", "Uruguay"),
    ("Valparaíso", "Chile"), ("Dakar", "Senegal"), ("Accra", "Ghana"), ("Lagos", "Nigeria"),
    ("Nairobi", "Kenya"), ("Kochi", "India"), ("Osaka", "Japan"), ("Taipei", "Taiwan"),
    ("Melbourne", "Australia"), ("Wellington", "New Zealand"),
];

/// One line about a station; `{genre}` and `{city}` are filled in.
pub(super) const TAGLINES: [&str; 16] = [
    "{genre} from {city}, all day and most of the night",
    "Deep cuts and first takes, picked by hand in {city}",
    "{genre} for people who read the liner notes",
    "No adverts, no shouting: {genre} from a small room in {city}",
    "The soundtrack to a slow walk through {city}",
    "Old {genre}, new {genre}, borrowed {genre}",
    "Records we would lend to a friend",
    "{city} after dark, one long side at a time",
    "Music for kitchens, workshops and long trains",
    "{genre} with the windows open",
    "A neighbour's record shelf, from {city} with care",
    "Two turntables, one microphone, {genre}",
    "From the archive of a {city} listening club",
    "Sunday-morning {genre}, seven days a week",
    "Songs that found us in {city}",
    "{genre}, unhurried",
];

/// First halves of track titles.
pub(super) const TITLE_HEADS: [&str; 40] = [
    "Blue", "Last", "Long", "Half", "Broken", "Summer", "Second", "Little", "Empty", "Every",
    "Lost", "Open", "Yellow", "Borrowed", "Early", "Paper", "Heavy", "Small", "Warm", "Other",
    "Sleeping", "Burning", "Hollow", "Perfect", "Sudden", "Tender", "Western", "Faded", "Crooked",
    "Double", "Sweet", "Foreign", "Gentle", "Loose", "Stolen", "Bright", "Cold", "Ordinary",
    "Silent", "Twin",
];

/// Second halves of track titles.
pub(super) const TITLE_TAILS: [&str; 48] = [
    "Rooms", "Letters", "Motion", "Weather", "Highway", "Fires", "Mirrors", "Hours", "Machines",
    "Oceans", "Numbers", "Windows", "Gravity", "Parallel", "Signals", "Harvest", "Bicycle",
    "Stairs", "Coffee", "Telephone", "Horizon", "Shadows", "Sundays", "Tomorrow", "Compass",
    "Traffic", "Lanterns", "Voices", "Satellites", "Thunder", "Postcards", "Strangers", "Bridges",
    "Island", "Engine", "Bloom", "Memory", "Shoreline", "Ceiling", "Waltz", "Interlude",
    "Departure", "Neighbours", "Reprise", "Daylight", "Static", "Promise", "Feather",
];

/// First halves of artist names.
pub(super) const ARTIST_HEADS: [&str; 36] = [
    "Marlow", "Ines", "The Tall", "Otto", "Nadia", "Kofi", "Sister", "The Brass", "Juno", "Emil",
    "Little", "Tomás", "Yuki", "The Late", "Amara", "Big", "Renata", "Oskar", "The Paper", "Lena",
    "Young", "Farid", "Cleo", "The Second", "Mira", "Don", "Sólveig", "The Quiet", "Abel", "Noor",
    "Saint", "Pilar", "The Velvet", "Idris", "Wanda", "Captain",
];

/// Second halves of artist names.
pub(super) const ARTIST_TAILS: [&str; 40] = [
    "Okafor", "Lindqvist", "Ferreira", "Trio", "Quartet", "Moreau", "Castellan", "Ensemble",
    "Nakamura", "& the Fold", "Holloway", "Brandt", "Orchestra", "Sisters", "Marchetti", "Kowal",
    "Diallo", "Machine", "Vega", "Archive", "Petrov", "Union", "Winter", "Assembly", "Aalto",
    "Mensah", "Collective", "Rivers", "Bakker", "Duo", "Silva", "Choir", "Novák", "Parade",
    "Haddad", "Strand", "Soto", "Company", "Larsen", "Circle",
];

/// First names of listeners.
pub(super) const FIRST_NAMES: [&str; 40] = [
    "Ada", "Bruno", "Carmen", "Dmitri", "Elif", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Kaia",
    "Luca", "Marta", "Nils", "Olga", "Paul", "Quinn", "Rosa", "Samir", "Tilda", "Uma", "Viktor",
    "Wren", "Ximena", "Yusuf", "Zoe", "Arlo", "Bea", "Cyril", "Dora", "Enzo", "Freya", "Gil",
    "Hana", "Ivo", "Joan", "Kit", "Lotte", "Milo", "Nora",
];

/// Last names of listeners.
pub(super) const LAST_NAMES: [&str; 40] = [
    "Abel", "Berg", "Costa", "Duarte", "Ekman", "Fischer", "Garcia", "Hansen", "Ito", "Jensen",
    "Keller", "Lund", "Meyer", "Nguyen", "Olsen", "Park", "Quist", "Reyes", "Santos", "Tanaka",
    "Ueda", "Varga", "Weber", "Xu", "Young", "Zeller", "Amin", "Bauer", "Choi", "Dahl", "Evans",
    "Fontaine", "Grau", "Horvat", "Iqbal", "Jansen", "Kaya", "Lopez", "Moro", "Nowak",
];
