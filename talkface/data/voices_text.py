"""Common English words -> what synthetic voices say; chosen so that every sound occurs often, at both ends of words."""

WORDS = """
a about above across after again age ago agree ahead air all already always an and animal answer any apple are
as ask at away baby back bad bag ball be beach beautiful because bed been before begin behind best better
between big bird birthday black blood blue boat body boil book both bought box boy bridge brother brought bubble
building busy but buy by call called calm came camp can car care carry case cat catch caught cause center chair
chance change chapter cheap check cheese chicken chief child china choice choose church circle city class clean
clear clock close clothes cloud coat coffee cold color come common company complete cook cool corner cost could
count country course cover cross cup cut cute danger dark daughter day days decide decision deep did die
different difficult dinner direction do doctor dog dollar door double down draw dream drive dry duck during each
earth easy eat edge egg eight eleven end engine enjoy enough even evening every eye face fact fall family famous
far farm fast father feel feeling few field fifty fight figure fill film find fine finger finish fire first fish
five flag food foot for force forget form forward found four free fresh friday friend from fruit full future
game garage garden gave get girl give glad glass go goal god goes gold gone good got government great green
ground group grow guess guide gun had half hammer hand happen happy hard has hat hate have he head health hear
heart heat heaven heavy height hello help her here high hill him his hit hold hole home hope horse hot hotel
hour house how huge human hundred hurry husband idea if important in into is it its job join joke judge juice
july jump june just keep key king know language large last late later laugh law lead leaf learn leave left leg
less let letter level life light like line lip listen little live long look lose love low lunch machine machines
made make man many map matter may maybe me measure meat meeting member memory method moment money month moon
more morning most mother mountain mouth move movie much music must my name nation nature near neck need never
new next nice night nine no noise none noon north nose not note nothing now number ocean of off oil old on one
only open or orange other out over page paper people pepper phone picture piece pipe place please pleasure point
possible pretty probably problem public pull purpose push put question quick quite race radio rain ran read
ready real reason red region remember rest result return rich ride right ring rise river road rock roll room
round row rule run sad said same sample saw say school sea season seat second secret see send sense sentence set
seven several shall shape share sharp she sheep ship shoe shop short should show shut side simple sit six sky
sleep slow small smile snow so soft some something song soon sorry sound soup south space speak special speed
spend sport spring stamp stand star start state station stay step still stop story street strong student study
such suddenly sugar suit summer sun sunny sure surface surprise system table take talk teach teacher team teeth
tell temple ten test text than thank that the their them then there these they thing think this those thought
thousand three through throw thursday time to today together tomorrow tonight tooth top total town toy travel
treasure tree true try turn twelve twenty two type under up upon use usual usually value very view village
vision visit voice vote walk wall want war warm was wash watch water wave way we wear weather week weight well
went were west what wheel when where whether which while white who why wide wife wild will win wind window wing
winter wish with woman women wonder wood word words work world would write year yellow yes yesterday yet you
young your zero zone zoo
""".split()  # noqa: SIM905 - a list of 669 quoted words is no easier to read
