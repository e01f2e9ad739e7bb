#include "Avatar3DComponent.h"

#include "Components/AudioComponent.h"
#include "Features/IModularFeatures.h"
#include "GameFramework/Actor.h"
#include "ILiveLinkClient.h"
#include "Kismet/GameplayStatics.h"
#include "NiagaraComponent.h"
#include "NiagaraDataInterfaceArrayFunctionLibrary.h"
#include "Roles/LiveLinkBasicRole.h"
#include "Sound/SoundWaveProcedural.h"

#include "Avatar3DAsset.h"
#include "Avatar3DCurves.h"
#include "Avatar3DLiveLinkNames.h"
#include "Avatar3DLog.h"
#include "Avatar3DPoser.h"

namespace
{
	const FName PositionsName(TEXT("Positions"));
	const FName OrientationsName(TEXT("Orientations"));
	const FName ScalesName(TEXT("Scales"));
	const FName ColoursName(TEXT("Colours"));
	const FName CountName(TEXT("Count"));
}

UAvatar3DComponent::UAvatar3DComponent()
{
	PrimaryComponentTick.bCanEverTick = true;
	// Sequencer has moved everything before.
	PrimaryComponentTick.TickGroup = TG_PostUpdateWork;
	bTickInEditor = true;
}

void UAvatar3DComponent::BeginPlay()
{
	Super::BeginPlay();
	if (Drive == EAvatar3DDrive::Playback)
	{
		Play();
	}
}

void UAvatar3DComponent::EndPlay(const EEndPlayReason::Type EndPlayReason)
{
	Stop();
	Super::EndPlay(EndPlayReason);
}

void UAvatar3DComponent::Play()
{
	Stop();
	Time = 0.0f;
	Playback.Play();
}

void UAvatar3DComponent::Stop()
{
	Playback.Stop();
	StopSound();
}

void UAvatar3DComponent::StopSound()
{
	if (Voice)
	{
		Voice->Stop();
		Voice = nullptr;
	}
}

void UAvatar3DComponent::StartSound()
{
	TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> Read;
	if (Avatar)
	{
		Read = Avatar->GetAvatar();
	}
	if (!Read.IsValid() || Read->sound_rate == 0 || Read->sound.size() == 0)
	{
		return;
	}
	const std::size_t First = Avatar3D::SampleAt(Time, Read->sound_rate, Read->sound.size());
	const std::size_t Left = Read->sound.size() - First;
	if (Left == 0)
	{
		return;
	}
	Sound = NewObject<USoundWaveProcedural>(this);
	Sound->SetSampleRate(Read->sound_rate);
	Sound->NumChannels = 1;
	Sound->Duration = static_cast<float>(static_cast<double>(Left) / Read->sound_rate);
	// Files hold at most 2^31 bytes, so that this fits.
	Sound->QueueAudio(reinterpret_cast<const uint8*>(Read->sound.data() + First), static_cast<int32>(Left * sizeof(int16)));
	Voice = UGameplayStatics::SpawnSoundAttached(Sound, GetOwner()->GetRootComponent());
}

void UAvatar3DComponent::StepPlayback(float DeltaTime)
{
	TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> Read;
	if (Avatar)
	{
		Read = Avatar->GetAvatar();
	}
	const bool bMoves = Read.IsValid() && Read->motion_frames > 0;
	const double Length = bMoves ? static_cast<double>(Read->motion_frames) / Read->fps : 0.0;
	switch (Playback.Step(Drive == EAvatar3DDrive::Playback, DeltaTime, Length, bMoves && Read->loops, Time))
	{
	case Avatar3D::ESound::Begins:
		StopSound();
		StartSound();
		break;
	case Avatar3D::ESound::Ends:
		StopSound();
		break;
	case Avatar3D::ESound::AsItWas:
		break;
	}
}

void UAvatar3DComponent::TickComponent(float DeltaTime, ELevelTick TickType, FActorComponentTickFunction* ThisTickFunction)
{
	Super::TickComponent(DeltaTime, TickType, ThisTickFunction);
	StepPlayback(DeltaTime);
	if (bPosing)
	{
		if (!Task.IsCompleted())
		{
			return;
		}
		bPosing = false;
		Publish();
	}
	if (!PreparePoser())
	{
		Clear();
		return;
	}
	FillFrame();
	if (bSynchronous)
	{
		Poser->Pose(bLinearColours);
		Publish();
	}
	else
	{
		bPosing = true;
		Task = UE::Tasks::Launch(UE_SOURCE_LOCATION, [Shared = Poser, bLinear = bLinearColours]() { Shared->Pose(bLinear); });
	}
}

bool UAvatar3DComponent::PreparePoser()
{
	TSharedPtr<const a3d::Avatar, ESPMode::ThreadSafe> Read;
	if (Avatar)
	{
		Read = Avatar->GetAvatar();
	}
	// An asset that is imported anew keeps its place in memory, but not what it holds.
	if (Poser.IsValid() && Prepared == Avatar && Poser->GetAvatar() == Read.Get())
	{
		return true;
	}
	Poser.Reset();
	Prepared = nullptr;
	CurveNames.Reset();
	if (!Read.IsValid())
	{
		return false;
	}
	TSharedRef<FAvatar3DPoser, ESPMode::ThreadSafe> Made = MakeShared<FAvatar3DPoser, ESPMode::ThreadSafe>();
	if (!Made->Prepare(Read))
	{
		return false;
	}
	Poser = Made;
	Prepared = Avatar;
	return true;
}

void UAvatar3DComponent::FillFrame()
{
	const a3d::Avatar& Head = *Poser->GetAvatar();
	if (Drive == EAvatar3DDrive::LiveLink && !Head.tracks)
	{
		FillFromSubject();
	}
	else
	{
		a3d::frame_at(Head, Time, Poser->Frame.GetData());
	}
}

void UAvatar3DComponent::FillFromSubject()
{
	IModularFeatures& Features = IModularFeatures::Get();
	if (Subject.IsNone() || !Features.IsModularFeatureAvailable(ILiveLinkClient::ModularFeatureName))
	{
		return;
	}
	ILiveLinkClient& Client = Features.GetModularFeature<ILiveLinkClient>(ILiveLinkClient::ModularFeatureName);
	FLiveLinkSubjectFrameData Data;
	if (!Client.EvaluateFrame_AnyThread(Subject, ULiveLinkBasicRole::StaticClass(), Data))
	{
		return;
	}
	const FLiveLinkBaseStaticData* Static = Data.StaticData.Cast<FLiveLinkBaseStaticData>();
	const FLiveLinkBaseFrameData* Values = Data.FrameData.Cast<FLiveLinkBaseFrameData>();
	if (!Static || !Values || Static->PropertyNames.Num() != Values->PropertyValues.Num())
	{
		return;
	}
	if (CurveNames != Static->PropertyNames)
	{
		FindCurves(Static->PropertyNames);
	}
	const auto ValueOf = [Values](int32 Curve) { return Curve == INDEX_NONE ? 0.0f : Values->PropertyValues[Curve]; };
	const FString* Fingerprint = Values->MetaData.StringMetaData.Find(Avatar3DLiveLink::HeadKey);
	// Coefficients of two heads never mix; ARKit's weights are the same for all.
	if (bHasRig && (!Fingerprint || Avatar->GetFingerprint() == *Fingerprint))
	{
		for (int32 Slot = 0; Slot < FlameCurves.Num(); ++Slot)
		{
			Poser->Frame[Slot] = ValueOf(FlameCurves[Slot]);
		}
		return;
	}
	float Weights[Avatar3D::NumArkit];
	float Turns[Avatar3D::NumTurns];
	for (int32 Shape = 0; Shape < ArkitCurves.Num(); ++Shape)
	{
		Weights[Shape] = ValueOf(ArkitCurves[Shape]);
	}
	for (int32 Axis = 0; Axis < TurnCurves.Num(); ++Axis)
	{
		Turns[Axis] = Avatar3D::HalfTurn * ValueOf(TurnCurves[Axis]);
	}
	Avatar3D::FrameFromArkit(*Poser->GetAvatar(), Weights, Turns, Poser->Frame.GetData());
}

void UAvatar3DComponent::FindCurves(const TArray<FName>& Names)
{
	CurveNames = Names;
	const a3d::Avatar& Head = *Poser->GetAvatar();
	FlameCurves.Init(INDEX_NONE, static_cast<int32>(Head.frame_size));
	bHasRig = false;
	for (std::size_t At = 0; At < Head.channel_count; ++At)
	{
		const a3d::Channel& Channel = Head.channel[At];
		for (std::size_t Index = 0; Index < Channel.width; ++Index)
		{
			char Name[Avatar3D::CurveNameSize];
			Avatar3D::FlameCurveName(Channel.name, Index, Name);
			const int32 Curve = Names.Find(FName(UTF8_TO_TCHAR(Name)));
			FlameCurves[static_cast<int32>(Channel.offset + Index)] = Curve;
			bHasRig |= Curve != INDEX_NONE;
		}
	}
	ArkitCurves.Reset();
	for (const char* Name : Avatar3D::ArkitNames)
	{
		ArkitCurves.Add(Names.Find(FName(UTF8_TO_TCHAR(Name))));
	}
	TurnCurves.Reset();
	for (const char* Name : Avatar3D::HeadNames)
	{
		TurnCurves.Add(Names.Find(FName(UTF8_TO_TCHAR(Name))));
	}
}

UNiagaraComponent* UAvatar3DComponent::FindNiagara() const
{
	return GetOwner() ? GetOwner()->FindComponentByClass<UNiagaraComponent>() : nullptr;
}

void UAvatar3DComponent::Clear()
{
	UNiagaraComponent* Niagara = NumPublished == INDEX_NONE ? nullptr : FindNiagara();
	if (Niagara)
	{
		// Its particles stay for ever otherwise.
		Niagara->SetVariableInt(CountName, 0);
		Niagara->DeactivateImmediate();
	}
	NumPublished = INDEX_NONE;
}

void UAvatar3DComponent::Publish()
{
	UNiagaraComponent* Niagara = FindNiagara();
	if (!Niagara || !Poser.IsValid() || Prepared != Avatar)
	{
		return;
	}
	Niagara->SetVariableInt(CountName, Poser->Positions.Num());
	UNiagaraDataInterfaceArrayFunctionLibrary::SetNiagaraArrayVector(Niagara, PositionsName, Poser->Positions);
	UNiagaraDataInterfaceArrayFunctionLibrary::SetNiagaraArrayQuat(Niagara, OrientationsName, Poser->Orientations);
	UNiagaraDataInterfaceArrayFunctionLibrary::SetNiagaraArrayVector(Niagara, ScalesName, Poser->Scales);
	UNiagaraDataInterfaceArrayFunctionLibrary::SetNiagaraArrayColor(Niagara, ColoursName, Poser->Colours);
	if (NumPublished != Poser->Positions.Num())
	{
		// The system makes its particles once, when it begins, and there were none to make before.
		NumPublished = Poser->Positions.Num();
		// Otherwise the system ticks before this component, and takes the arrays a frame later.
		Niagara->SetTickBehavior(ENiagaraTickBehavior::ForceTickLast);
		Niagara->Activate(true);
	}
}
